/* Why bytes from the air were refused: one vocabulary for the HCI walk, the AD walk and every decoder.
 *
 * A refusal is typed so that it can be counted, and has one sentence so that a person who looks into an
 * advertisement with `norenctl decode` learns what the sender does wrong.
 */
#ifndef NOREN_CORE_REFUSAL_H
#define NOREN_CORE_REFUSAL_H

enum refusal {
    REFUSAL_NONE,     /**< accepted */
    REFUSAL_NOT_MINE, /**< a decoder's "not my format": no fault of the sender's */
    /* HCI events: core/hci.c */
    REFUSAL_HCI_KIND,
    REFUSAL_HCI_LENGTH,
    REFUSAL_HCI_COUNT,
    REFUSAL_HCI_REPORT,
    REFUSAL_HCI_DATA,
    REFUSAL_HCI_TRAILING,
    /* AD structures: core/adv.c */
    REFUSAL_AD_OVERRUN,
    REFUSAL_AD_PADDING,
    /* formats: core/decode*.c */
    REFUSAL_LENGTH,
    REFUSAL_VERSION,
    REFUSAL_VALUE,
    REFUSAL_TAG,
    REFUSAL_TOO_MANY,
    REFUSALS
};

/** A sentence without a full stop, in plain English. */
const char *refusal_text(enum refusal r);

#endif
