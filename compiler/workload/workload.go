// Package workload makes unit files of any size for benchmarks of the compiler.
package workload

import (
	"fmt"
	"strings"
)

// PerFile is how many units each file has.
const PerFile = 20

// pairsPerFile is how many of them are a socket and its owner; the other two are
// a state and a signal.
const pairsPerFile = (PerFile - 2) / 2

// File is one unit file.
type File struct {
	Group string // the path below the units root without .toml
	Text  string
}

// Files returns files that have n units together, and nothing wrong in them; n
// is rounded down to whole files. They are what hosts have: tcp and unix sockets
// of their own endpoints, each with the service that it activates, and
// conditions in all the ways in which they are written.
func Files(n int) []File {
	files := make([]File, n/PerFile)
	for i := range files {
		files[i] = File{Group: fmt.Sprintf("apps/g%05d", i), Text: file(i)}
	}
	return files
}

// BrokenSockets returns files that have n sockets together and no other units.
// The last one has a mistake: its trigger names a socket that does not exist, for
// which the compiler looks for one with a similar name among all of them.
func BrokenSockets(n int) []File {
	files := make([]File, n/PerFile)
	for i := range files {
		var b strings.Builder
		for j := range PerFile {
			trigger := `script = "logger accessed"`
			if i == len(files)-1 && j == PerFile-1 {
				trigger = `socket = "wbe0"`
			}
			n := i*PerFile + j
			fmt.Fprintf(&b, "[[socket]]\nname = \"web%d\"\n%sstart-on = [\"rind@online\"]\ntrigger = [{ %s }]\n\n", j, endpoint(n), trigger)
		}
		files[i] = File{Group: fmt.Sprintf("sockets/g%05d", i), Text: b.String()}
	}
	return files
}

func file(group int) string {
	var b strings.Builder
	b.WriteString(`# What the hosts of this group serve.

[[state]]
name = "ready"
payload = "json"
branch = ["name"]

[[signal]]
name = "halt"
payload = "string"
`)
	for i := range pairsPerFile {
		pair(&b, group, i)
	}
	return b.String()
}

// starts are ways to write what starts a socket, and what stops it.
var starts = []string{
	`start-on = [{ state = "rind@net-configured", branch = "eth0" }]
stop-on = ["state rind@maintenance-mode"]
`,
	`start-on = ['state ready(branch/name == "eth0") and not state rind@maintenance-mode']
`,
	`start-on = ["rind@online"]
stop-on = ['signal halt(target contains "now")']
`,
	"",
}

func pair(b *strings.Builder, group, i int) {
	n := group*pairsPerFile + i
	fmt.Fprintf(b, "\n[[socket]]\nname = \"web%d\"\n", i)
	fmt.Fprintf(b, "%sowner = \"app%d\"\nlifecycle = \"owned\"\n%s", endpoint(n), i, starts[n%len(starts)])
	if i%2 == 0 {
		fmt.Fprintf(b, "trigger = [{ state = \"ready\", payload = { name = \"eth0\", socket = \"web%d\" } }]\n", i)
	}
	fmt.Fprintf(b, `
[[service]]
name = "app%[1]d"
run.exec = "/usr/lib/apps/app"
run.args = ["--instance", "%[2]d", "--log", "json"]
run.env = { APP_HOME = "/srv/apps/%[2]d" }
user = "nobody"
restart = { max_retries = 5, backoff = "200ms" }
`, i, n)
	if i == 0 {
		b.WriteString("on-stop = [{ signal = \"halt\", payload = \"now\" }]\n")
	}
}

// endpoint returns where the n-th socket listens: one of three is a unix socket.
func endpoint(n int) string {
	if n%3 == 2 {
		return fmt.Sprintf("type = \"uds\"\nlisten = \"/run/apps/%d.sock\"\noptions = { mode = \"0660\", backlog = 128 }\n", n)
	}
	return fmt.Sprintf("type = \"tcp\"\nlisten = \"127.%d.%d.%d:8081\"\noptions = { backlog = 512, freebind = true }\n", n>>16, n>>8&255, n&255)
}

// A Unit is the text of a systemd unit and the name of its file.
type Unit struct{ Name, Text string }

// Systemd returns the n units that are to systemd what [Files] are to rindc, as
// far as systemd has it: a state or signal is a target, and a condition an order.
func Systemd(n int) []Unit {
	var units []Unit
	for group := range n / PerFile {
		for _, name := range []string{"ready", "halt"} {
			units = append(units, Unit{Name: fmt.Sprintf("g%05d-%s.target", group, name), Text: "[Unit]\nDescription=" + name + "\n"})
		}
		for i := range pairsPerFile {
			units = append(units, systemdPair(group, i)...)
		}
	}
	return units
}

func systemdPair(group, i int) []Unit {
	n := group*pairsPerFile + i
	name := fmt.Sprintf("g%05d-app%d", group, i)
	listen := fmt.Sprintf("ListenStream=127.%d.%d.%d:8081\nBacklog=512\nFreeBind=yes\n", n>>16, n>>8&255, n&255)
	if n%3 == 2 {
		listen = fmt.Sprintf("ListenStream=/run/apps/%d.sock\nSocketMode=0660\nBacklog=128\n", n)
	}
	return []Unit{{
		Name: name + ".socket",
		Text: fmt.Sprintf("[Unit]\nAfter=g%05d-ready.target\nConflicts=g%05d-halt.target\n\n[Socket]\n%s", group, group, listen),
	}, {
		Name: name + ".service",
		Text: fmt.Sprintf(`[Service]
ExecStart=/bin/true --instance %[1]d --log json
Environment=APP_HOME=/srv/apps/%[1]d
User=nobody
Restart=on-failure
RestartSec=200ms
`, n),
	}}
}
