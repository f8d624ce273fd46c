// What the system tells the program: signals, and descriptors that its starter has closed.
#ifndef TOOL_SIGNALS_H
#define TOOL_SIGNALS_H
#include <stdbool.h>

// Call first in main(). Opens /dev/null, in the direction that fails, for each of standard input, output and
// error that is closed, so that no file gets its number. A closed pipe and a full quota become errors of the
// write. A read error of a mapped file ends the program with a message that names the file.
void program_starts(void);

// After this call SIGINT, SIGTERM and SIGHUP set a flag. If the program still runs STOP_SECONDS later, or
// gets a second signal, it ends.
enum { STOP_SECONDS = 4 };
void watch_interrupt(void);
bool interrupted(void);
// For a program that waits for its user between pieces of work: while the program waits, the first SIGINT
// sets the flag alone, and SIGTERM and SIGHUP end the program. work_begins() clears the flag.
void work_begins(void);
void work_ends(void);
#endif
