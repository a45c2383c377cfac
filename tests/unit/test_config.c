/* Configuration: the shipped boards read, and every mistake names its file, line and remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <cmocka.h>

#include "io/config.h"

static const char GOOD[] = "# a store\n"
                           "[gateway]\n"
                           "tenant = acme\n"
                           "store = s001\n"
                           "gateway = gw1\n"
                           "board = board.conf\n"
                           "data_dir = /var/tmp/x\n"
                           "[mqtt]\n"
                           "host = broker.example\n"
                           "port = 8884\n"
                           "ca = ca.pem\n"
                           "cert = gw.pem\n"
                           "key = gw.key\n";
static const char BOARD[] = "[board]\nname = bench\n[bank b]\nsource = sim\ncells = c1\n";

static char dir[] = "/tmp/noren-config-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[CONFIG_PATH_SIZE];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_good(void **state)
{
    static struct config c;
    char error[INI_ERROR_SIZE] = "";

    (void)state;
    put("noren.conf", GOOD);
    put("board.conf", BOARD);
    if (config_load(&c, dir, error) != 0)
        fail_msg("%s", error);
    assert_string_equal(c.tenant, "acme");
    assert_string_equal(c.mqtt.host, "broker.example");
    assert_int_equal(c.mqtt.port, 8884);
    assert_string_equal(c.data_dir, "/var/tmp/x");
    assert_string_equal(c.run_dir, "/run/noren");
    assert_memory_equal(c.mqtt.ca, dir, strlen(dir)); /* relative names are joined to the folder */
    assert_string_equal(c.mqtt.ca + strlen(dir), "/ca.pem");
    assert_string_equal(c.board.banks[0].cells[0], "c1");
    assert_int_equal(c.board.banks[0].rate_sps, 80);
    assert_int_equal(c.board.banks[0].sck_high_max_us, 45);
}

static void test_node_keys(void **state)
{
    static struct config c;
    static const char node[] = "[node 258]\nkey_file = node.key\n";
    char error[INI_ERROR_SIZE] = "", text[sizeof(GOOD) + sizeof(node)];

    (void)state;
    snprintf(text, sizeof(text), "%s%s", GOOD, node);
    put("noren.conf", text);
    put("board.conf", BOARD);
    put("node.key", "000102030405060708090A0B0C0D0E0F\n");
    if (config_load(&c, dir, error) != 0)
        fail_msg("%s", error);
    assert_int_equal(c.nodes_n, 1);
    assert_int_equal(c.nodes[0].node, 258);
    assert_int_equal(c.nodes[0].key[15], 15);
    put("node.key", "000102\n");
    assert_int_equal(config_load(&c, dir, error), -EINVAL);
    assert_non_null(strstr(error, "/node.key: key of shelf node 258: is no key; write"));
    snprintf(text, sizeof(text), "%s[node 7]\nkey_file = none\n", GOOD);
    put("noren.conf", text);
    assert_int_equal(config_load(&c, dir, error), -EINVAL);
    assert_non_null(strstr(error, "cannot be read"));
}

static void test_local_broker(void **state)
{
    static struct config c;
    static const char local[] = "[local]\nhost = 127.0.0.1\nuser = gw1\npassword_file = pw\n";
    char error[INI_ERROR_SIZE] = "", text[sizeof(GOOD) + 200], *role;

    (void)state;
    put("board.conf", BOARD);
    put("noren.conf", GOOD);
    assert_int_equal(config_load(&c, dir, error), 0);
    assert_string_equal(c.local.host, ""); /* there is none unless it is named */
    assert_string_equal(c.local.ca, "");
    snprintf(text, sizeof(text), "%s%s", GOOD, local);
    put("noren.conf", text);
    put("pw", "secret\n");
    if (config_load(&c, dir, error) != 0)
        fail_msg("%s", error);
    assert_int_equal(c.local.port, 1883);
    assert_string_equal(c.local.password, "secret");
    put("pw", "\n");
    assert_int_equal(config_load(&c, dir, error), -EINVAL);
    assert_non_null(strstr(error, "pw has an empty first line; write the password there"));
    snprintf(text, sizeof(text), "%s", GOOD);
    role = strstr(text, "[mqtt]");
    assert_non_null(role);
    snprintf(role, sizeof(text) - (size_t)(role - text), "role = receiver\n%s",
             strstr(GOOD, "[mqtt]"));
    put("noren.conf", text);
    assert_int_equal(config_load(&c, dir, error), -EINVAL);
    assert_non_null(strstr(error, "role = receiver needs a section [local]"));
}

static void test_shipped_boards(void **state)
{
    static struct board b;
    char error[INI_ERROR_SIZE] = "";

    (void)state;
    if (config_load_board(&b, NOREN_SOURCE_DIR "/boards/sim/board.conf", error) != 0)
        fail_msg("%s", error);
    assert_int_equal(b.banks[0].kind, BANK_SIM);
    assert_int_equal(b.radios[0].kind, RADIO_SIM);
    if (config_load_board(&b, NOREN_SOURCE_DIR "/boards/raspberrypi-4b/board.conf", error) != 0)
        fail_msg("%s", error);
    assert_int_equal(b.banks[0].kind, BANK_GPIO);
    assert_string_equal(b.banks[0].chip, "pinctrl-bcm2711");
    assert_int_equal(b.banks[0].sck_n, 1);
    assert_int_equal(b.banks[0].cells_n, 4);
    assert_int_equal(b.banks[0].dout[3], 26);
    assert_string_equal(b.banks[0].cells[3], "c4");
    assert_string_equal(b.radios[0].receiver, "door");
    assert_int_equal(b.radios[0].adapter, 0);
    assert_string_equal(b.leds[0].id, "led1");
    assert_int_equal(b.leds[0].line, 16);
    assert_false(b.leds[0].active_low);
}

#define LONG_40  "0123456789012345678901234567890123456789"
#define LONG_200 LONG_40 LONG_40 LONG_40 LONG_40 LONG_40

/* text of a bad noren.conf, the line it must name (0: none), and words of the message */
static const struct {
    const char *text;
    int line;
    const char *words[3];
} BAD[] = {
    {"tenant = acme\n", 1, {"before the first [section]"}},
    {"[gatway]\ntenant = acme\n", 1, {"unknown section [gatway]", "[gateway], [mqtt]"}},
    {"[gateway]\n\ntenent = acme\n", 3, {"no key \"tenent\"", "tenant, store"}},
    {"[gateway]\ntenant = a/b\n", 2, {"tenant = a/b", "MQTT topic", "letters"}},
    {"[gateway]\ntenant = a\ntenant = b\n", 3, {"given twice"}},
    {"[gateway]\ntenant =\n", 2, {"is empty"}},
    {"[gateway]\ntenant = a\nnonsense\n", 3, {"neither [section] nor key = value"}},
    {"[gateway]\ntenant = a\n[mqtt]\nhost = h\n", 1, {"[gateway] needs a line \"store = ...\""}},
    {"[gateway]\nrole = shop\n", 2, {"role = shop", "write store"}},
    {"[local]\nhost = 10.0.0.7\n", 1, {"needs \"ca = FILE\"", "localhost"}},
    {"[local]\nhost = localhost\ncert = c\n", 1, {"one of cert and key"}},
    {"[local]\nhost = localhost\nuser = u\n", 1, {"one of user and password_file"}},
    {"[local]\nhost = localhost\npassword = u\n", 3, {"no key \"password\""}},
    {"[mqtt]\nport = 80x\n", 2, {"not a decimal number", "1..65535"}},
    {"[mqtt]\nport = 65536\n", 2, {"out of range", "1..65535"}},
    {"[mqtt]\nport = 99999999999999999999\n", 2, {"out of range"}},
    {"[mqtt]\nport = -1\n", 2, {"not a decimal number"}},
    {"[mqtt]\nhost = " LONG_200 LONG_200 "\n", 2, {"line is longer than", "shorten"}},
    {"[gateway]\ntenant = " LONG_40 "\n", 2, {"too long"}},
    {"[gateway]\ntenant = a\nstore = s\ngateway = g\nboard = b\n", 0, {"needs a section [mqtt]"}},
    {"", 0, {"needs a section [gateway]"}},
    {"[node x]\nkey_file = k\n", 1, {"named by its number"}},
    {"[node 65536]\nkey_file = k\n", 1, {"0 to 65535"}},
    {"[node 1]\nkey_file = k\n[node 1]\nkey_file = k\n", 4, {"twice"}},
    {"[beacon]\nuuid = 0001\n", 2, {"no UUID", "like 0001"}},
    {"[beacon]\npower_1m_dbm = 99\n", 2, {"dBm at 1 m"}},
    {"[beacon]\nmajor = 65536\n", 2, {"0..65535"}},
};

static void check_message(const char *error, const char *file, int line, const char *const words[3])
{
    char place[64];

    snprintf(place, sizeof(place), line > 0 ? "/%s:%d: " : "/%s: ", file, line);
    if (strstr(error, place) == NULL)
        fail_msg("\"%s\" does not name %s", error, place);
    for (int w = 0; w < 3 && words[w] != NULL; w++) {
        if (strstr(error, words[w]) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error, words[w]);
    }
}

static void test_bad_noren_conf(void **state)
{
    static struct config c;

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        char error[INI_ERROR_SIZE] = "";

        put("noren.conf", BAD[i].text);
        assert_int_equal(config_load(&c, dir, error), -EINVAL);
        check_message(error, "noren.conf", BAD[i].line, BAD[i].words);
    }
}

#define GPIO_BANK "[board]\nname = b\n[bank left]\nsource = gpio\n"

static const struct {
    const char *text;
    int line;
    const char *words[3];
} BAD_BOARD[] = {
    {"[board]\nname = b\n[bank]\nsource = sim\n", 3, {"needs an id: [bank ID]"}},
    {"[board x]\nname = b\n", 1, {"takes no id"}},
    {"[bank b]\nsource = sim\ncells = c1\n", 0, {"[board]", "name = ..."}},
    {"[board]\nname = b\n[bank left]\nsource = usb\n", 4, {"gpio or sim"}},
    {GPIO_BANK "sck = 5\ndout = 6\ncells = a\n", 3, {"chip = LABEL", "gpiodetect"}},
    {GPIO_BANK "chip = c\nsck = 5\ndout = 6,7\ncells = a\n", 3, {"one line for each cell"}},
    {GPIO_BANK "chip = c\nsck = 5,4\ndout = 6,7,8\ncells = a,b,c\n", 3, {"sck must name one"}},
    {GPIO_BANK "chip = c\nsck = 6\ndout = 6\ncells = a\n", 3, {"sck and dout"}},
    {GPIO_BANK "dout = 6,6\n", 5, {"twice"}},
    {GPIO_BANK "dout = 6,,7\n", 5, {"separated by commas"}},
    {GPIO_BANK "dout = 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\n", 5, {"at most 16"}},
    {GPIO_BANK "dout = 6x\n", 5, {"line offsets"}},
    {GPIO_BANK "cells = a, a\n", 5, {"twice"}},
    {GPIO_BANK "cells = " LONG_40 "\n", 5, {"39 bytes"}},
    {GPIO_BANK "rate_sps = 100\n", 5, {"10 or 80"}},
    {GPIO_BANK "gain = 1\n", 5, {"128 or 64"}},
    {"[board]\nname = b\n[radio door]\nsource = hci\n", 3, {"adapter = hciN"}},
    {"[board]\nname = b\n[radio door]\nsource = hci\nadapter = eth0\n", 3, {"adapter = hciN"}},
    {"[board]\nname = b\n[radio d]\nsource = sim\n[bank b]\nsource = sim\ncells = c\n"
     "[radio d]\nsource = sim\n",
     8,
     {"there already"}},
    {"[board]\nname = b\n[led a]\nsource = gpio\nline = 3\n", 3, {"chip = LABEL"}},
    {"[board]\nname = b\n[led a]\nsource = gpio\nchip = c\n", 3, {"line = OFFSET"}},
    {"[board]\nname = b\n[led a]\nsource = sim\nactive_low = 1\n", 5, {"no or yes"}},
    {GPIO_BANK "chip = c\nsck = 5\ndout = 6\ncells = a\n[led a]\nsource = gpio\nchip = c\n"
               "line = 6\n",
     9,
     {"a bank's"}},
};

static void test_bad_board(void **state)
{
    static struct board b;

    (void)state;
    for (size_t i = 0; i < sizeof(BAD_BOARD) / sizeof(BAD_BOARD[0]); i++) {
        char error[INI_ERROR_SIZE] = "", path[CONFIG_PATH_SIZE];

        put("board.conf", BAD_BOARD[i].text);
        snprintf(path, sizeof(path), "%s/board.conf", dir);
        assert_int_equal(config_load_board(&b, path, error), -EINVAL);
        check_message(error, "board.conf", BAD_BOARD[i].line, BAD_BOARD[i].words);
    }
}

static void test_unreadable(void **state)
{
    static struct config c;
    char error[INI_ERROR_SIZE] = "";

    (void)state;
    assert_int_equal(config_load(&c, "/nonexistent", error), -ENOENT);
    assert_non_null(strstr(error, "/nonexistent/noren.conf: cannot be read"));
    put("noren.conf", GOOD);
    put("board.conf", BOARD);
    assert_int_equal(config_load_board(&c.board, dir, error), -EIO);
    assert_non_null(strstr(error, "is it a file?"));
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    put("noren.conf", "");
    put("board.conf", "");
    if (chdir(dir) != 0 || unlink("noren.conf") != 0 || unlink("board.conf") != 0 ||
        unlink("node.key") != 0 || unlink("pw") != 0)
        return -1;
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),           cmocka_unit_test(test_node_keys),
        cmocka_unit_test(test_local_broker),   cmocka_unit_test(test_shipped_boards),
        cmocka_unit_test(test_bad_noren_conf), cmocka_unit_test(test_bad_board),
        cmocka_unit_test(test_unreadable),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
