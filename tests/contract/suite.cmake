# contract: what really crosses the broker, against the documents of include/noren/schema.
if(NOREN_E2E)
    add_test(NAME contract COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/contract/run ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    set_tests_properties(contract PROPERTIES LABELS contract TIMEOUT 900)
elseif(NOT NOREN_FUZZ)
    add_test(NAME documents COMMAND node ${CMAKE_CURRENT_SOURCE_DIR}/contract/documents.mjs ${CMAKE_SOURCE_DIR}
             ${CMAKE_BINARY_DIR})
    set_tests_properties(documents PROPERTIES LABELS contract TIMEOUT 120)
endif()
