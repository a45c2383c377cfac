# commands: a gateway on a real broker is commanded by headquarters, by the control socket, and by those who may not.
if(NOREN_E2E)
    foreach(test dispatch desired hq restored)
        add_test(NAME commands_${test} COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/commands/${test}
                 ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/bin)
        set_tests_properties(commands_${test} PROPERTIES LABELS commands TIMEOUT 300)
    endforeach()
endif()
