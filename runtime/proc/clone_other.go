//go:build !amd64

package proc

import "time"

// startClone refuses: there is no assembly for this machine, the launcher starts
// everything.
func startClone(*job, time.Duration) (*Process, error) { return nil, errCloneRefused }
