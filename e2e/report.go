package e2e

// Report is what a process that runs the probe found out about itself.
type Report struct {
	ID   string            `json:"id"` // its -id
	PID  int               `json:"pid"`
	UID  int               `json:"uid"`
	GID  int               `json:"gid"`
	Dir  string            `json:"dir"`
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`

	Status map[string]string `json:"status"` // /proc/self/status, with single spaces
	Limits map[string]string `json:"limits"` // /proc/self/limits: "33 44" for "Max open files"

	FDs []FD `json:"fds"` // that it inherited, in ascending order

	// PIDFDInode is the inode number of a pidfd of the process, 0 if this
	// kernel gives none that identifies a process.
	PIDFDInode uint64 `json:"pidfd_inode"`
}

// FD is one open descriptor.
type FD struct {
	N        int    `json:"n"`
	Link     string `json:"link"` // as /proc/self/fd has it: "socket:[4711]"
	NonBlock bool   `json:"non_block"`
}

// Find returns descriptor n and whether it is open.
func (r *Report) Find(n int) (FD, bool) {
	for _, fd := range r.FDs {
		if fd.N == n {
			return fd, true
		}
	}
	return FD{}, false
}
