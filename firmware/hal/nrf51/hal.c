/* The nRF51822: timer, flash, UART and the radio as a plain advertiser, without a vendor stack.
 *
 * Time comes from TIMER0 at 1 MHz, because it runs both on the chip and in the emulator; RTC1 on the 32 kHz
 * crystal would cut the idle current from about a milliamp to microamps and is the first thing to change
 * for a product on a coin cell. The radio part follows the reference manual and has not been on air: no
 * emulator models it. Every wait is bounded, so without a radio (in QEMU) the rest runs on and the missing
 * radio is counted and traced once.
 */
#include "hal/hal.h"

#include <string.h>

#include "board.h"
#include "core/counter.h"
#include "nrf51/regs.h"

#define WAIT_LIMIT 20000 /* turns of a register poll: some milliseconds at 16 MHz */

static uint32_t last_us, total_ms, rest_us;
static int64_t total_us;
static uint8_t address[6];
static uint32_t radio_timeouts;

static uint32_t timer_us(void)
{
    TIMER_CAPTURE(1) = 1;
    return TIMER_CC(1);
}

/* Folds the 32-bit microsecond counter (71 minutes) into milliseconds and 64-bit microseconds. */
static void time_fold(void)
{
    uint32_t now = timer_us(), gone = now - last_us;

    last_us = now;
    total_us += gone;
    rest_us += gone;
    total_ms += rest_us / 1000;
    rest_us %= 1000;
}

uint32_t hal_now_ms(void)
{
    time_fold();
    return total_ms;
}

int64_t hal_now_us(void)
{
    time_fold();
    return total_us;
}

void timer0_handler(void);
void timer0_handler(void)
{
    TIMER_COMPARE(0) = 0;
    TIMER_INTENCLR = 1u << 16;
}

void hal_sleep_until(uint32_t due_ms)
{
    int32_t left_ms;

    while ((left_ms = (int32_t)(due_ms - hal_now_ms())) > 0) {
        TIMER_CC(0) = last_us + (uint32_t)left_ms * 1000 - rest_us;
        TIMER_COMPARE(0) = 0;
        TIMER_INTENSET = 1u << 16;
        __asm volatile("wfi");
    }
}

static uint8_t random_byte(void)
{
    RNG_VALRDY = 0;
    RNG_START = 1;
    for (int i = 0; i < WAIT_LIMIT && RNG_VALRDY == 0; i++)
        ;
    return (uint8_t)RNG_VALUE;
}

static void uart_put(char c)
{
    UART_TXDRDY = 0;
    UART_TXD = (uint8_t)c;
    for (int i = 0; i < WAIT_LIMIT && UART_TXDRDY == 0; i++)
        ;
}

void hal_trace(const char *line)
{
    while (*line != '\0')
        uart_put(*line++);
    uart_put('\r');
    uart_put('\n');
}

/* Radio set-up that does not change between packets (Core 5.4, Vol 6 Part B, 2.1 and 3.1.1: access address
 * 8e89bed6, CRC-24 polynomial 00065b from 555555, whitening by channel). */
static void radio_init(void)
{
    if ((FICR_OVERRIDEEN & (1u << 3)) ==
        0) { /* 0 = override enabled for BLE 1 Mbit, manual 6.1.8 */
        for (int i = 0; i < 5; i++)
            RADIO_OVERRIDE(i) = FICR_BLE_1M(i) | (i == 4 ? 1u << 31 : 0);
    }
    RADIO_MODE = RADIO_MODE_BLE_1M;
    RADIO_TXPOWER = 0;                      /* 0 dBm */
    RADIO_PCNF0 = 1u << 8 | 8;              /* S0 one byte (header), length 8 bits */
    RADIO_PCNF1 = 1u << 25 | 3u << 16 | 37; /* whitening, 3 base address bytes, 37 B at most */
    RADIO_BASE0 = 0x89bed600;
    RADIO_PREFIX0 = 0x8e;
    RADIO_TXADDRESS = 0;
    RADIO_CRCCNF = 1u << 8 | 3; /* 3 bytes, not over the access address */
    RADIO_CRCPOLY = 0x00065b;
    RADIO_CRCINIT = 0x555555;
    RADIO_SHORTS = RADIO_SHORT_READY_START | RADIO_SHORT_END_DISABLE;
}

void hal_init(void)
{
    TIMER_BITMODE = TIMER_BITMODE_32;
    TIMER_PRESCALER = 4; /* 16 MHz / 2^4 */
    TIMER_START = 1;
    NVIC_ISER = 1u << TIMER_IRQ;
    UART_PSELTXD = BOARD_PIN_TXD;
    UART_BAUDRATE = UART_115200;
    UART_ENABLE = UART_ENABLED;
    UART_STARTTX = 1;
    GPIO_OUTCLR =
        1u << BOARD_PIN_SCK; /* low before it is driven: high would power the chips down */
    GPIO_DIRSET = 1u << BOARD_PIN_SCK;
    for (unsigned i = 0; i < BOARD_CELLS; i++)
        GPIO_PIN_CNF(BOARD_PIN_DOUT(i)) =
            3u << 2;      /* input with pull-up: an absent chip is "not ready" */
    CLOCK_HFCLKSTART = 1; /* the crystal: the RC oscillator is too rough for air */
    for (int i = 0; i < WAIT_LIMIT && CLOCK_HFCLKSTARTED == 0; i++)
        ;
    for (int i = 0; i < 6; i++)
        address[i] = random_byte();
    address[5] &= 0x3f; /* 00: non-resolvable private (Core 5.4, Vol 6 Part B, 1.3.2.2) */
    radio_init();
}

/* One packet on one channel. Returns false when the radio did not come back. */
static bool radio_send(const uint8_t *packet, uint8_t channel, uint8_t frequency)
{
    RADIO_FREQUENCY = frequency;
    RADIO_DATAWHITEIV = channel;
    RADIO_PACKETPTR = (uint32_t)(uintptr_t)packet;
    RADIO_DISABLED = 0;
    RADIO_TXEN = 1;
    for (int i = 0; i < WAIT_LIMIT; i++) {
        if (RADIO_DISABLED != 0)
            return true;
    }
    RADIO_DISABLE = 1;
    return false;
}

void hal_advertise(const uint8_t *ad, size_t n)
{
    static uint8_t packet[39]; /* read by DMA: must not be on a stack that is gone */

    if (n > 31)
        return;
    hal_sleep_until(hal_now_ms() +
                    random_byte() % 10); /* advDelay, Core 5.4, Vol 6 Part B, 4.4.2.2.1 */
    packet[0] = 0x42;                    /* ADV_NONCONN_IND, TxAdd: random address */
    packet[1] = (uint8_t)(6 + n);
    memcpy(packet + 2, address, 6);
    memcpy(packet + 8, ad, n);
    if (radio_send(packet, 37, 2) && radio_send(packet, 38, 26) && radio_send(packet, 39, 80))
        return;
    if (radio_timeouts++ == 0)
        hal_trace("radio: no answer (expected in an emulator)");
}

const uint8_t *hal_provision(size_t *ret_n)
{
    *ret_n = BOARD_FLASH_PAGE;
    return (const uint8_t *)(uintptr_t)BOARD_FLASH_PROVISION;
}

static const uint32_t *const pages[COUNTER_PAGES] = {
    (const uint32_t *)(uintptr_t)BOARD_FLASH_COUNTER,
    (const uint32_t *)(uintptr_t)(BOARD_FLASH_COUNTER + BOARD_FLASH_PAGE),
};

uint32_t hal_counter_load(void)
{
    return counter_latest(pages);
}

static void nvmc_mode(uint32_t mode)
{
    NVMC_CONFIG = mode;
    for (int i = 0; i < WAIT_LIMIT && NVMC_READY == 0; i++)
        ;
}

void hal_counter_store(uint32_t value)
{
    struct counter_write w = counter_next(pages, value);
    uintptr_t page = BOARD_FLASH_COUNTER + (uintptr_t)w.page * BOARD_FLASH_PAGE;

    if (w.erase) {
        nvmc_mode(NVMC_ERASE);
        NVMC_ERASEPAGE = (uint32_t)page;
    }
    nvmc_mode(NVMC_WRITE);
    REG(page + 4u * w.word) = w.value;
    nvmc_mode(NVMC_WRITE);
    REG(page + 4u * w.word + 4) = ~w.value;
    nvmc_mode(NVMC_READ);
}

void hal_irq_off(void)
{
    __asm volatile("cpsid i" ::: "memory");
}

void hal_irq_on(void)
{
    __asm volatile("cpsie i" ::: "memory");
}

bool hal_running(void)
{
    return true;
}
