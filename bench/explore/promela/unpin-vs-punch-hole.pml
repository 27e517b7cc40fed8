/* Does the last unpin wake a punch hole that waits for it? */
#define SETUP_PINS 1
#define THREADS 2
#include "dax.pml"

init { atomic { run punch(); run unpin() } }
