/* Can a page be pinned without locks while its block is freed? */
#define SETUP_PINS 0
#define THREADS 2
#include "dax.pml"

init { atomic { run punch(); run gup() } }
