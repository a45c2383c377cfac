# cells: load cells from the converter to the shelf, with the shipped programs.
if(NOREN_E2E)
    add_test(NAME cells_calibrate COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/cells/calibrate ${CMAKE_SOURCE_DIR}
             ${CMAKE_BINARY_DIR}/bin)
    set_tests_properties(cells_calibrate PROPERTIES LABELS cells TIMEOUT 300)
endif()
