/* The sentences of refusal.h. */
#include "core/refusal.h"

const char *refusal_text(enum refusal r)
{
    switch (r) {
    case REFUSAL_NONE:
        return "accepted";
    case REFUSAL_NOT_MINE:
        return "another format";
    case REFUSAL_HCI_KIND:
        return "not an LE advertising report";
    case REFUSAL_HCI_LENGTH:
        return "the event's length byte does not match its bytes";
    case REFUSAL_HCI_COUNT:
        return "the number of reports is out of range";
    case REFUSAL_HCI_REPORT:
        return "a report runs past the end of its event";
    case REFUSAL_HCI_DATA:
        return "a report has more data than its kind can carry";
    case REFUSAL_HCI_TRAILING:
        return "bytes are left over after the last report";
    case REFUSAL_AD_OVERRUN:
        return "an AD structure runs past the end of the advertising data";
    case REFUSAL_AD_PADDING:
        return "bytes other than zero follow the end of the AD structures";
    case REFUSAL_LENGTH:
        return "the body has the wrong length";
    case REFUSAL_VERSION:
        return "unknown version";
    case REFUSAL_VALUE:
        return "a value is out of range";
    case REFUSAL_TAG:
        return "the authentication tag does not fit the key";
    case REFUSAL_TOO_MANY:
        return "more frames than one advertisement can hold";
    case REFUSALS:
        break;
    }
    return "unknown reason";
}
