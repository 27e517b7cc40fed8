/* Does a punch hole end after the last unpin if the page was touched again while it waited? */
#define SETUP_PINS 1
#define THREADS 3
#include "dax.pml"

init { atomic { run punch(); run unpin(); run touch() } }
