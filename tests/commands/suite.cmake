# commands: a gateway on a real broker is commanded by headquarters, by the control socket, and by those who may not.
if(NOREN_E2E)
    noren_script_tests(commands dispatch desired hq restored)
endif()
