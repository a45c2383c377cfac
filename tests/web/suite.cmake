# web: the pages in headless Chromium, before the shipped programs.
if(NOREN_E2E)
    add_test(NAME pages COMMAND node --test ${CMAKE_CURRENT_SOURCE_DIR}/web/pages.test.mjs)
    set_tests_properties(pages PROPERTIES LABELS web TIMEOUT 300 ENVIRONMENT
                         "NOREN_SOURCE_DIR=${CMAKE_SOURCE_DIR};NOREN_BUILD_DIR=${CMAKE_BINARY_DIR}")
endif()
