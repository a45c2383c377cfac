/* The ledger: double entry between shelf, backroom, hands, sold and adjustments, per product.
 *
 * Every movement takes from one account what it gives to another, so the five always sum to zero; only
 * `adjust`, the account of what nobody can explain, may be negative. Shelf units are kept per facing by the
 * caller; `shelf` here is their sum.
 */
#ifndef NOREN_CORE_STOCK_H
#define NOREN_CORE_STOCK_H

#include <stdbool.h>
#include <stdint.h>

/* More than any store has of one product: what a command may say at most. */
#define STOCK_UNITS_MAX 1000000

/** Balances of one product, in units. */
struct stock {
    int64_t shelf, backroom, in_hand, sold;
    int64_t adjust; /**< may be negative */
    int64_t owed;   /**< no account: of `sold`, what was not yet seen to leave a shelf */
};

/** What a gain on the shelf was made of; sums to the gain. */
struct stock_gain {
    int64_t put_back;  /**< came from somebody's hands */
    int64_t restocked; /**< came from the backroom, as far as the ledger knew of any there */
    int64_t found;     /**< nobody knew of it: taken from `adjust` */
};

/** An empty ledger with an opening balance in the backroom. */
struct stock stock_open(int64_t backroom);

/** `n` units leave a facing that holds *on_shelf of the product's units. Returns how many of them the ledger
 * did not have there (they are adjusted in, so nothing becomes negative). */
int64_t stock_pick(struct stock *s, int64_t *on_shelf, int64_t n);

/** `n` units appear on a facing: first from hands, the excess from the backroom, the rest from nowhere. */
struct stock_gain stock_gain(struct stock *s, int64_t *on_shelf, int64_t n);

/** A facing is counted: `n` units are there. Returns the difference to the ledger. */
int64_t stock_count(struct stock *s, int64_t *on_shelf, int64_t n);

/** `n` units were sold: takes them from hands, as far as there are any there. Returns how many it took. */
int64_t stock_sell_held(struct stock *s, int64_t n);

/** The same from a facing that nothing weighs: its count is only what the tills say. */
int64_t stock_sell_shelf(struct stock *s, int64_t *on_shelf, int64_t n);

/** `n` units were sold that nobody saw leave. `owed`: they are still expected to be picked or found missing,
 * which then is no second departure; false where that may have happened already. */
void stock_sell_unseen(struct stock *s, int64_t n, bool owed);

/** The backroom is counted: `n` units are there. Returns the difference to the ledger. */
int64_t stock_count_backroom(struct stock *s, int64_t n);

/** `n` units came into the backroom from outside the store. */
void stock_receive(struct stock *s, int64_t n);

/** `n` units left the backroom for elsewhere. False, and nothing happens, when it has fewer. */
bool stock_send(struct stock *s, int64_t n);

/** `n` units came back from customers into the backroom. */
void stock_take_back(struct stock *s, int64_t n);

/** Available to promise, from what is known to be on the shelf (design section 8). */
int64_t stock_atp(const struct stock *s, int64_t known_on_shelf, int64_t held, int64_t safety);

#endif
