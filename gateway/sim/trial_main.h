/* noren-sim --trial: kinds of trouble at a rack of plates, scored as a table or written as a recording. */
#ifndef NOREN_SIM_TRIAL_MAIN_H
#define NOREN_SIM_TRIAL_MAIN_H

/** The whole program when its first argument is --trial; returns the exit status. */
int trial_main(int argc, char **argv);

#endif
