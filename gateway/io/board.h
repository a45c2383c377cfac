/* What a board is: banks of weight ADCs, radios and lights, as named by boards/<name>/board.conf.
 *
 * Filled by io/config.c, read by the sources. Lines are named by chip label and offset (or line name),
 * never by chip number: the number of a Raspberry Pi's chip has moved between kernels.
 */
#ifndef NOREN_IO_BOARD_H
#define NOREN_IO_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "noren/units.h"

#define BOARD_BANKS_MAX        8
#define BOARD_BANK_CELLS_MAX   16
#define BOARD_RADIOS_MAX       8
#define BOARD_LEDS_MAX         64
#define BOARD_LABEL_SIZE       64
#define BOARD_DEVICE_SIZE      96
#define BOARD_THERMOMETERS_MAX 16

/** Who clocks the chips: we, nobody (simulated), the kernel's IIO driver, or shelf nodes at a serial line. */
enum board_bank_kind { BANK_GPIO, BANK_SIM, BANK_IIO, BANK_SERIAL };

/** HX711-class chips that are read together: one PD_SCK for all, or one each (sck_n = cells_n). */
struct board_bank {
    char id[NOREN_ID_SIZE];
    enum board_bank_kind kind;
    char chip[BOARD_LABEL_SIZE]; /**< gpiochip label, e.g. "pinctrl-bcm2711" */
    uint8_t sck_n, cells_n;
    uint32_t sck[BOARD_BANK_CELLS_MAX];              /**< line offsets */
    uint32_t dout[BOARD_BANK_CELLS_MAX];             /**< line offset of each cell */
    char cells[BOARD_BANK_CELLS_MAX][NOREN_ID_SIZE]; /**< planogram ids, in the order of dout */
    char devices[BOARD_BANK_CELLS_MAX]
                [BOARD_DEVICE_SIZE]; /**< BANK_IIO: folder of each cell's device;
                                                                BANK_SERIAL: the one line */
    uint8_t devices_n;
    uint32_t rate_sps;        /**< 10, 20, 80 or 320: how the RATE pins are wired */
    uint32_t gain;            /**< 128, 64 (channel A) or 32 (channel B) */
    uint32_t sck_high_max_us; /**< frame check C2; 45 unless the chip is known to allow more */
};

enum board_radio_kind { RADIO_HCI, RADIO_SIM };

struct board_radio {
    char receiver[NOREN_ID_SIZE]; /**< receiver id in the map */
    enum board_radio_kind kind;
    uint16_t adapter; /**< hciN; RADIO_HCI only */
    /** Of every 100 ms, how long it listens: 100, or less where the same chip carries a 2.4 GHz Wi-Fi
     * uplink, which it otherwise starves. 0 counts as 100. */
    uint8_t scan_window_ms;
};

enum board_led_kind { LED_GPIO, LED_SIM };

/** A light that shows people where something is: the planogram's plates name it as "led". */
struct board_led {
    char id[NOREN_ID_SIZE];
    enum board_led_kind kind;
    char chip[BOARD_LABEL_SIZE]; /**< gpiochip label; LED_GPIO only */
    uint32_t line;               /**< its line offset */
    bool active_low;             /**< lit by a low level */
};

/** A temperature that the kernel gives as a file: hwmon, a thermal zone, 1-wire, IIO. */
struct board_thermometer {
    char id[NOREN_ID_SIZE];       /**< the plate, fixture or zone it hangs at, or "store" */
    char path[BOARD_DEVICE_SIZE]; /**< thousandths of a degree Celsius; or IIO's in_temp_raw */
};

struct board {
    char name[NOREN_ID_SIZE];
    struct board_bank banks[BOARD_BANKS_MAX];
    uint8_t banks_n;
    struct board_radio radios[BOARD_RADIOS_MAX];
    uint8_t radios_n;
    struct board_led leds[BOARD_LEDS_MAX];
    uint8_t leds_n;
    struct board_thermometer thermometers[BOARD_THERMOMETERS_MAX];
    uint8_t thermometers_n;
};

#endif
