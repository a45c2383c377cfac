# layers: dependencies point one way, and the pure code calls nothing impure.
if(NOT NOREN_FUZZ AND NOT NOREN_E2E)
    add_test(NAME layers COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/layers/check_layers ${CMAKE_SOURCE_DIR})
    set_tests_properties(layers PROPERTIES LABELS layers)
endif()
