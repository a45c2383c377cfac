# identity: who is known, by the shipped programs with a real broker and a real HQ.
if(NOREN_E2E)
    foreach(test card rest forget)
        add_test(NAME identity_${test} COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/identity/${test}
                 ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/bin)
        set_tests_properties(identity_${test} PROPERTIES LABELS identity TIMEOUT 120)
    endforeach()
endif()
