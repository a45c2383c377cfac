/* Headquarters as the issuing CA of its gateways: `noren-hq ca`.
 *
 * A folder with ca.key (0600) and ca.crt. Where a company has a CA already, that one signs the boards' requests
 * and this is not used; nothing else knows it. It issues leaf certificates only, for one common name each
 * and for one use, because the broker maps a name to one root of topics. Whether the request is that
 * board's is for a person to see: approve prints the fingerprint that enroll printed on the board.
 */
#ifndef NOREN_HQ_CA_H
#define NOREN_HQ_CA_H

/** The command line after "noren-hq ca". Returns the exit status. */
int ca_main(int argc, char **argv);

#endif
