// Command rindc compiles unit files to a plan that rindrun runs.
package main

import (
	"os"

	"golang.org/x/term"
)

// version is the version of this program, which is also that of its release.
const version = "0.1.0"

func main() {
	tuneMemory()
	os.Exit(run(os.Args[1:], env{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		color:  term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}))
}
