# style: clang-format on every file, clang-tidy on every file of the build.
if(NOT NOREN_FUZZ AND NOT NOREN_E2E)
    add_test(NAME format COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/style/check_format ${CMAKE_SOURCE_DIR})
    add_test(NAME tidy COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/style/check_tidy ${CMAKE_SOURCE_DIR}
             ${CMAKE_BINARY_DIR})
    add_test(NAME standalone COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/style/check_standalone ${CMAKE_SOURCE_DIR})
    set_tests_properties(format tidy standalone PROPERTIES LABELS style TIMEOUT 1800)
endif()

if(NOREN_E2E)
    add_test(NAME sbom COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/style/check_sbom ${CMAKE_BINARY_DIR})
    set_tests_properties(sbom PROPERTIES LABELS style)
endif()
