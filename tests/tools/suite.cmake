# tools: programs that tests and people use beside the shipped ones.
if(NOT NOREN_FUZZ)
    add_executable(hx711-decode ${CMAKE_CURRENT_SOURCE_DIR}/tools/hx711_decode.c)
    target_link_libraries(hx711-decode PRIVATE noren_adc)
endif()
if(NOT NOREN_E2E AND NOT NOREN_FUZZ)
    add_test(NAME hx711_decode COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/tools/check_hx711_decode
             $<TARGET_FILE:hx711-decode> ${CMAKE_CURRENT_SOURCE_DIR}/data/weight/hx711-80sps-edges.csv)
    set_tests_properties(hx711_decode PROPERTIES LABELS unit)
endif()
