/* Headquarters as the issuing CA of its gateways: `noren-hq ca`.
 *
 * A folder with ca.key (0600) and ca.crt. Where a company has a CA already, that one signs the boards' requests
 * and this is not used; nothing else knows it. It issues leaf certificates only, for one common name each
 * and for one use, because the broker maps a name to one root of topics. Whether the request is that
 * board's is for a person to see: approve prints the fingerprint that enroll printed on the board.
 *
 * A renewal needs no person (`[hq] ca` in hq.conf): who holds the certificate in use signs the next request with
 * its key, so a broker that forges messages, or has seen an old one, gets nothing.
 */
#ifndef NOREN_HQ_CA_H
#define NOREN_HQ_CA_H

/** The command line after "noren-hq ca". Returns the exit status. */
int ca_main(int argc, char **argv);

/** What a gateway shows to get its next certificate; PEM, and hex of pki_prove(). */
struct ca_claim {
    const char *certificate, *request, *proof;
};

/** Issues the successor of a certificate of this CA that is still good, for as long as that one. NULL and *ret_pem
 * (the caller frees), or why not. */
const char *ca_renew(const char *dir, const char *gateway, const struct ca_claim *claim,
                     char **ret_pem);

#endif
