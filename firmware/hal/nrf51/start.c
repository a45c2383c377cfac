/* Vector table and the few instructions before main(). */
#include <stdint.h>

extern uint32_t link_data_load, link_data_start, link_data_end, link_bss_start, link_bss_end,
    link_stack_top;
int main(void);
void timer0_handler(void);
void reset_handler(void);
void fault_handler(void);

void reset_handler(void)
{
    const uint32_t *from = &link_data_load;

    for (uint32_t *to = &link_data_start; to < &link_data_end;)
        *to++ = *from++;
    for (uint32_t *to = &link_bss_start; to < &link_bss_end;)
        *to++ = 0;
    (void)main();
    for (;;)
        ;
}

/* AIRCR.SYSRESETREQ: whatever went wrong, start again; the counter in flash makes that safe. */
void fault_handler(void)
{
    *(volatile uint32_t *)(uintptr_t)0xe000ed0c = 0x05fa0004;
    for (;;)
        ;
}

/* The linker places this at address 0: initial stack, 15 system exceptions, then IRQ 0.. */
__attribute__((section(".vectors"), used)) static const void *const vectors[16 + 9] = {
    &link_stack_top,
    (const void *)reset_handler,
    (const void *)fault_handler,
    (const void *)fault_handler,
    [4 ... 23] = (const void *)fault_handler,
    [24] = (const void *)timer0_handler, /* IRQ 8 */
};
