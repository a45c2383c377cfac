/* Registers of the nRF51822 that we use (nRF51 Series Reference Manual v3.0; the section is named at each).
 * Written from the manual: the vendor's headers bring a licence of their own and 20,000 lines. */
#ifndef NOREN_NRF51_REGS_H
#define NOREN_NRF51_REGS_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* 12 CLOCK */
#define CLOCK_HFCLKSTART   REG(0x40000000)
#define CLOCK_HFCLKSTARTED REG(0x40000100)

/* 16 RADIO */
#define RADIO_BASE              0x40001000
#define RADIO_TXEN              REG(RADIO_BASE + 0x000)
#define RADIO_DISABLE           REG(RADIO_BASE + 0x010)
#define RADIO_DISABLED          REG(RADIO_BASE + 0x110)
#define RADIO_SHORTS            REG(RADIO_BASE + 0x200)
#define RADIO_PACKETPTR         REG(RADIO_BASE + 0x504)
#define RADIO_FREQUENCY         REG(RADIO_BASE + 0x508)
#define RADIO_TXPOWER           REG(RADIO_BASE + 0x50c)
#define RADIO_MODE              REG(RADIO_BASE + 0x510)
#define RADIO_PCNF0             REG(RADIO_BASE + 0x514)
#define RADIO_PCNF1             REG(RADIO_BASE + 0x518)
#define RADIO_BASE0             REG(RADIO_BASE + 0x51c)
#define RADIO_PREFIX0           REG(RADIO_BASE + 0x524)
#define RADIO_TXADDRESS         REG(RADIO_BASE + 0x52c)
#define RADIO_CRCCNF            REG(RADIO_BASE + 0x534)
#define RADIO_CRCPOLY           REG(RADIO_BASE + 0x538)
#define RADIO_CRCINIT           REG(RADIO_BASE + 0x53c)
#define RADIO_DATAWHITEIV       REG(RADIO_BASE + 0x554)
#define RADIO_OVERRIDE(i)       REG(RADIO_BASE + 0x724 + 4 * (i))
#define RADIO_SHORT_READY_START (1u << 0)
#define RADIO_SHORT_END_DISABLE (1u << 1)
#define RADIO_MODE_BLE_1M       3

/* 6 FICR */
#define FICR_OVERRIDEEN REG(0x100000ac)
#define FICR_BLE_1M(i)  REG(0x100000ec + 4 * (i))

/* 28 UART */
#define UART_STARTTX  REG(0x40002008)
#define UART_TXDRDY   REG(0x4000211c)
#define UART_ENABLE   REG(0x40002500)
#define UART_PSELTXD  REG(0x4000250c)
#define UART_TXD      REG(0x4000251c)
#define UART_BAUDRATE REG(0x40002524)
#define UART_ENABLED  4
#define UART_115200   0x01d7e000

/* 18 TIMER */
#define TIMER_START      REG(0x40008000)
#define TIMER_CAPTURE(i) REG(0x40008040 + 4 * (i))
#define TIMER_COMPARE(i) REG(0x40008140 + 4 * (i))
#define TIMER_INTENSET   REG(0x40008304)
#define TIMER_INTENCLR   REG(0x40008308)
#define TIMER_BITMODE    REG(0x40008508)
#define TIMER_PRESCALER  REG(0x40008510)
#define TIMER_CC(i)      REG(0x40008540 + 4 * (i))
#define TIMER_BITMODE_32 3
#define TIMER_IRQ        8

/* 20 RNG */
#define RNG_START  REG(0x4000d000)
#define RNG_VALRDY REG(0x4000d100)
#define RNG_VALUE  REG(0x4000d508)

/* 5 NVMC */
#define NVMC_READY     REG(0x4001e400)
#define NVMC_CONFIG    REG(0x4001e504)
#define NVMC_ERASEPAGE REG(0x4001e508)
#define NVMC_READ      0
#define NVMC_WRITE     1
#define NVMC_ERASE     2

/* 14 GPIO */
#define GPIO_OUTSET     REG(0x50000508)
#define GPIO_OUTCLR     REG(0x5000050c)
#define GPIO_IN         REG(0x50000510)
#define GPIO_DIRSET     REG(0x50000518)
#define GPIO_PIN_CNF(n) REG(0x50000700 + 4 * (n))

/* Cortex-M0 Devices Generic User Guide, 4.2 NVIC */
#define NVIC_ISER REG(0xe000e100)

#endif
