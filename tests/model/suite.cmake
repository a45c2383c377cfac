# model: the protocol between outbox and headquarters, searched through by spin.
if(NOT NOREN_FUZZ AND NOT NOREN_E2E)
    add_test(NAME model COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/model/run)
    set_tests_properties(model PROPERTIES LABELS model TIMEOUT 300)
endif()
