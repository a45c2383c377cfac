/* Members likely to come, their day keys, and the table that resolves a token by one look-up. */
#ifndef NOREN_CORE_MEMBERS_H
#define NOREN_CORE_MEMBERS_H

struct members {
    int unused;
};

#endif
