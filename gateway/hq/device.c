/* Device tags by hand; see device.h.
 *
 * Addresses come from standard input and not as arguments, because a shell keeps a history of those on the disk.
 */
#include "hq/device.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hq/roster.h"
#include "noren/hex.h"
#include "noren/wire.h"

#define EXIT_USAGE 2

static int usage(FILE *to)
{
    fputs("usage: noren-hq device MEMBERS_FILE\n\n"
          "Reads Bluetooth addresses like c6:05:04:03:02:01, one a line, from standard input and\n"
          "prints for each the value of \"device\" in the members file's \"tags\":\n"
          "  {\"tag\": \"till-phone\", \"staff\": true, \"device\": \"...\"}\n"
          "MEMBERS_FILE must have a \"store_key\"; with another key the values are others.\n",
          to);
    return to == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

/* Twelve hex digits, with or without colons. */
static bool read_address(const char *line, uint8_t ret[6])
{
    char digits[13] = "";
    size_t n = 0;

    for (; *line != '\0' && *line != '\n'; line++) {
        if (*line == ':')
            continue;
        if (n == 12)
            return false;
        digits[n++] = (char)(*line >= 'A' && *line <= 'F' ? *line - 'A' + 'a' : *line);
    }
    return n == 12 && hex_read(digits, ret, 6);
}

int device_main(int argc, char **argv)
{
    char why[ROSTER_ERROR_SIZE], line[64];
    uint8_t key[16], address[6], device[NOREN_DEVICE_TAG_SIZE];
    struct roster roster;
    int code = EXIT_SUCCESS;

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    if (argc != 2)
        return usage(stderr);
    if (roster_load(&roster, argv[1], why) != 0) {
        fprintf(stderr, "noren-hq: %s\n", why);
        return EXIT_USAGE;
    }
    if (!hex_read(json_string_value(roster.store_key), key, sizeof(key))) {
        fprintf(stderr, "noren-hq: %s: has no store_key; write 32 random lower-case hex digits\n",
                argv[1]);
        code = EXIT_USAGE;
    }
    while (code == EXIT_SUCCESS && fgets(line, sizeof(line), stdin) != NULL) {
        if (!read_address(line, address)) {
            fputs("noren-hq: a line is no address like c6:05:04:03:02:01\n", stderr);
            code = EXIT_USAGE;
            continue;
        }
        noren_device_tag(key, address, device);
        for (size_t i = 0; i < sizeof(device); i++)
            printf("%02x", device[i]);
        putchar('\n');
    }
    roster_free(&roster);
    return code;
}
