# cells: load cells from the converter to the shelf, with the shipped programs.
if(NOREN_E2E)
    add_test(NAME cells_calibrate COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/cells/calibrate ${CMAKE_SOURCE_DIR}
             ${CMAKE_BINARY_DIR}/bin)
    set_tests_properties(cells_calibrate PROPERTIES LABELS cells TIMEOUT 900)
endif()

# Both GPIO shims under a real kernel. Skipped (77) where Debian 13's package cannot be had.
if(NOREN_E2E)
    add_test(NAME cells_gpiod COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/cells/gpiod ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    set_tests_properties(cells_gpiod PROPERTIES LABELS cells TIMEOUT 600 RUN_SERIAL TRUE SKIP_RETURN_CODE 77)
endif()

# Sources that are neither lines nor simulated chips: IIO, a shelf node's wire, a thermometer.
if(NOREN_E2E)
    add_test(NAME cells_sources COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/cells/sources ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/bin)
    set_tests_properties(cells_sources PROPERTIES LABELS cells TIMEOUT 900)
endif()
