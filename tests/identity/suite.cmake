# identity: who is known, by the shipped programs with a real broker and a real HQ.
if(NOREN_E2E)
    add_library(identity_fast_clock MODULE identity/fast_clock.c)
    set_target_properties(identity_fast_clock PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin PREFIX "")
    foreach(test card rest forget crowd)
        add_test(NAME identity_${test} COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/identity/${test}
                 ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/bin)
        set_tests_properties(identity_${test} PROPERTIES LABELS identity TIMEOUT 120)
    endforeach()
endif()
