/* `noren-hq command`: a person at headquarters commands a gateway, and hears what became of it.
 *
 * A client of the running noren-hq, over its own API on this machine: the running one has the key, the broker and the
 * record of who gave what. So there is one way for a command to begin, whoever gives it, and this program needs no
 * secret.
 */
#ifndef NOREN_HQ_OPERATOR_H
#define NOREN_HQ_OPERATOR_H

/** The command line after "noren-hq". Returns the exit status. */
int operator_main(int argc, char **argv);

#endif
