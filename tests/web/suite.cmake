# web: the pages in headless Chromium, before the shipped programs.
if(NOREN_E2E)
    add_test(NAME pages COMMAND node --test ${CMAKE_CURRENT_SOURCE_DIR}/web/pages.test.mjs)
    # alone: it looks at how soon a pick is on the page
    set_tests_properties(pages PROPERTIES LABELS web TIMEOUT 900 RUN_SERIAL TRUE ENVIRONMENT
                         "NOREN_SOURCE_DIR=${CMAKE_SOURCE_DIR};NOREN_BUILD_DIR=${CMAKE_BINARY_DIR}")
endif()
