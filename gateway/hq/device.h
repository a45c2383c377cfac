/* `noren-hq device`: what a device with a fixed address is called in the members file. */
#ifndef NOREN_HQ_DEVICE_H
#define NOREN_HQ_DEVICE_H

/** Reads addresses, one a line, from standard input and prints their device tags. Returns the exit code. */
int device_main(int argc, char **argv);

#endif
