package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plugins"
)

// checked decodes and checks a file of the group "u" and returns what was
// reported.
func checked(t *testing.T, text string) (*check.Program, []diag.Diagnostic) {
	t.Helper()
	return checkedWith(t, check.Options{}, text)
}

func checkedWith(t *testing.T, opts check.Options, text string) (*check.Program, []diag.Diagnostic) {
	t.Helper()
	f, ds := decode.File(&source.File{Name: "u.toml", Text: []byte(text)}, "u")
	table := resolve.New([]*unit.File{f}, nil, ds)
	return check.Check(table, plugins.Builtin(), opts, ds), ds.All()
}

// show returns a diagnostic as "line:col CODE message".
func show(d diag.Diagnostic) string {
	at := d.Where(decode.Locate)
	line, col := at.File.Position(at.Start)
	return fmt.Sprintf("%d:%d %s %s", line, col, d.Code, d.Message)
}

func shown(ds []diag.Diagnostic) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = fmt.Sprintf("%v %s (help: %s)", d.Severity, show(d), d.Help)
	}
	return out
}

// TestS163Rules proves that the example of every rule breaks that rule and no other,
// and that nothing is wrong with the right one.
func TestS163Rules(t *testing.T) {
	seen := map[diag.Code]bool{}
	for _, r := range check.Rules() {
		t.Run(string(r.Code), func(t *testing.T) {
			if seen[r.Code] {
				t.Errorf("code %s belongs to two rules", r.Code)
			}
			seen[r.Code] = true
			if r.Title == "" || r.Text == "" || r.Severity < diag.Error || r.Severity > diag.Note {
				t.Errorf("rule %s has title %q, text %q and severity %v", r.Code, r.Title, r.Text, r.Severity)
			}
			_, ds := checkedWith(t, check.Options{Strict: r.Strict}, r.Example)
			if len(ds) != 1 || ds[0].Code != r.Code || ds[0].Severity != r.Severity || ds[0].Help == "" || ds[0].At.IsZero() {
				t.Errorf("the example reports %q, want exactly one %v %s with a place and help", shown(ds), r.Severity, r.Code)
			}
			_, ds = checkedWith(t, check.Options{Strict: r.Strict}, r.Right)
			if r.Right == "" || len(ds) > 0 {
				t.Errorf("the right example %q reports %q", r.Right, shown(ds))
			}
		})
	}
}

// host is a state whose payload a program makes.
func host(eval string) string {
	return fmt.Sprintf(`[[state]]
name = "host"
payload = "string"
activate-on-none = ["rind@maintenance-mode"]
auto-payload = { eval = %q }
[[service]]
name = "web"
run.exec = "web"
start-on = ["host"]
`, eval)
}

func inet(transport string, listens ...string) string {
	var b strings.Builder
	for i, listen := range listens {
		listen, options, _ := strings.Cut(listen, " ")
		fmt.Fprintf(&b, "[[socket]]\nname = \"s%d\"\ntype = %q\nlisten = %q\noptions = {%s}\n", i, transport, listen, options)
	}
	return b.String()
}

func TestS13Conflicts(t *testing.T) {
	const conflict = "A4103"
	tests := []struct {
		name, text string
		want       string // code, or empty
	}{
		{"the same endpoint", inet("tcp", "127.0.0.1:80", "127.0.0.1:80"), conflict},
		{"the same by another spelling", inet("tcp", "[::1]:80", "[0:0::1]:80"), conflict},
		{"other ports", inet("tcp", "127.0.0.1:80", "127.0.0.1:81"), ""},
		{"other addresses", inet("tcp", "127.0.0.1:80", "127.0.0.2:80"), ""},
		{"wildcard and specific", inet("tcp", "0.0.0.0:80", "127.0.0.1:80"), conflict},
		{"specific and wildcard", inet("udp", "127.0.0.1:80", "0.0.0.0:80"), conflict},
		{"dual stack and v4", inet("tcp", ":80", "127.0.0.1:80"), conflict},
		{"dual stack and v6", inet("tcp", "*:80", "[::1]:80"), conflict},
		{"dual stack and both wildcards", inet("tcp", "0.0.0.0:80", "*:80"), conflict},
		{"dual stack that is not and v4", inet("tcp", "*:80 v6only = true", "0.0.0.0:80"), "A4109"},
		{"v6 wildcard and v4", inet("tcp", "[::]:80", "0.0.0.0:80"), ""},
		{"v6 wildcard and v6", inet("tcp", "[::]:80", "[::1]:80"), conflict},
		{"v6 wildcard of both families and v4", inet("tcp", "[::]:80 v6only = false", "127.0.0.1:80"), conflict},
		{"v6 wildcard without v4 and v4", inet("tcp", "[::]:80 v6only = true", "127.0.0.1:80"), ""},
		{"v4 and v6", inet("tcp", "127.0.0.1:80", "[::1]:80"), ""},
		{"other zones", inet("tcp", "[fe80::1%eth0]:80", "[fe80::1%eth1]:80"), ""},
		{"other devices", inet("udp", `:67 bind-device = "eth0"`, `:67 bind-device = "eth1"`), ""},
		{"one device", inet("udp", `:67 bind-device = "eth0"`, `:67 bind-device = "eth0"`), conflict},
		{"a device and all of them", inet("tcp", `10.0.0.1:80 bind-device = "eth0"`, ":80"), conflict},
		{"a zone and another device", inet("tcp", "[fe80::1%eth0]:80", `[::]:80 bind-device = "eth1"`), ""},
		{"a zone and its device", inet("tcp", "[fe80::1%eth0]:80", `[::]:80 bind-device = "eth0"`), conflict},
		{"port 0", inet("tcp", "127.0.0.1:0", "127.0.0.1:0"), ""},
		{"shared on purpose", inet("tcp", ":80 reuse-port = true", ":80 reuse-port = true"), ""},
		{"shared by one side only", inet("tcp", ":80 reuse-port = true", ":80"), conflict},
		{"one host name", inet("tcp", "db.internal:80", "DB.internal:80"), conflict},
		{"two host names", inet("tcp", "a.internal:80", "b.internal:80"), ""},
		{"host name and all addresses", inet("tcp", "a.internal:80", "*:80"), conflict},
		{"host name and all of one family", inet("tcp", "a.internal:80", "0.0.0.0:80"), ""},
		{"localhost and loopback", inet("tcp", "localhost:80", "127.0.0.1:80"), conflict},
		{"tcp and udp", inet("tcp", ":80") + strings.ReplaceAll(inet("udp", ":80"), `"s0"`, `"u"`), ""},
		{"one path", inet("uds", "/run/a.sock", "/run//./a.sock"), conflict},
		{"relative and absolute path", inet("uds", "a.sock", "/var/sock/a.sock"), ""},
		{"one abstract name", inet("uds", "@a", "@a"), conflict},
		{"abstract name and path", inet("uds", "@a", "a"), ""},
		{"one that a condition opens", inet("tcp", ":80") + "[[socket]]\nname = \"x\"\ntype = \"tcp\"\nlisten = \":80\"\nstart-on = [\"rind@online\"]\n", "A4104"},
		{"one that only a command opens", inet("tcp", ":80") + "[[socket]]\nname = \"x\"\ntype = \"tcp\"\nlisten = \":80\"\nenabled = false\n", "A4104"},
		{"two of one name are one mistake", inet("tcp", ":80") + inet("tcp", ":80"), "N2101"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ds := checked(t, tt.text)
			var codes []string
			for _, d := range ds {
				codes = append(codes, string(d.Code))
			}
			if got := strings.Join(codes, " "); got != tt.want {
				t.Errorf("codes %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("S13 both are named", func(t *testing.T) {
		_, ds := checked(t, inet("tcp", "0.0.0.0:80", "127.0.0.1:80"))
		want := `9:10 A4103 socket "u@s1" cannot be bound together with socket "u@s0": 127.0.0.1:80 and 0.0.0.0:80 overlap`
		if len(ds) != 1 || show(ds[0]) != want || len(ds[0].Labels) != 1 {
			t.Errorf("reported %v, want %q with a label", ds, want)
		}
	})
}

func TestS109PeerIdentity(t *testing.T) {
	tests := []struct {
		name, transport, listen, permissions string
		want                                 string // code, or empty
	}{
		{"uds", "uds", "/run/x", `["login"]`, ""},
		{"tcp on loopback", "tcp", "127.0.0.1:80", `["login"]`, ""},
		{"tcp on another loopback address", "tcp", "127.9.9.9:80", `["login"]`, ""},
		{"tcp on v6 loopback", "tcp", "[::1]:80", `["login"]`, ""},
		{"tcp on localhost", "tcp", "localhost:80", `["login"]`, ""},
		{"tcp for everybody", "tcp", ":80", `["login", "any"]`, "P6109"},
		{"tcp for everybody by id", "tcp", ":80", `[0]`, ""},
		{"an empty list is the only mistake", "udp", ":80", `[]`, "P6105"},
		{"tcp on all addresses", "tcp", ":80", `["login"]`, "P6101"},
		{"tcp on an address", "tcp", "192.0.2.1:80", `[1001]`, "P6101"},
		{"tcp on a host name", "tcp", "db.internal:80", `["login"]`, "P6101"},
		{"udp on loopback", "udp", "127.0.0.1:80", `["login"]`, "P6101"},
		{"abstract", "uds", "@x", `["login"]`, "P6102"},
		{"an unknown permission is the only mistake", "udp", ":80", `["logni"]`, "N2202"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ds := checked(t, inet(tt.transport, tt.listen)+"permissions = "+tt.permissions+"\n")
			got := ""
			for _, d := range ds {
				got += string(d.Code)
			}
			if got != tt.want {
				t.Errorf("codes %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReports(t *testing.T) {
	const http = "[[socket]]\nname = \"http\"\ntype = \"tcp\"\nlisten = \":80\"\n"
	const web = "[[service]]\nname = \"web\"\nrun.exec = \"web\"\n"
	const uds = "[[socket]]\nname = \"u\"\ntype = \"uds\"\nlisten = \"u.sock\"\n"
	tests := []struct {
		name, text string
		want       []string
		help       string // part of the help of the first
	}{
		{"S2 S3 case", strings.Replace(http, `"tcp"`, `"TCP"`, 1), []string{`3:8 A4101 socket "u@http" has unknown type "TCP"`}, `did you mean "tcp"? known types are tcp, udp, uds`},
		{"S3 unix", strings.Replace(http, `"tcp"`, `"unix"`, 1), []string{`3:8 A4101 socket "u@http" has unknown type "unix"`}, `did you mean "uds"?`},
		{"S2 another plugin", strings.Replace(http, `"tcp"`, `"vsock"`, 1), []string{`3:8 A4108 socket "u@http" has the type "vsock", which the lock file lacks`}, "known types are tcp, udp, uds"},
		{"the place inside an endpoint", strings.Replace(http, `":80"`, `"127.0.0.1:http"`, 1), []string{"4:21 A4102 socket \"u@http\": port \"http\" is not a number"}, ""},
		{"S12 owner", http + "owner = \"wbe\"\n" + web, []string{`5:9 N2201 no service is named "wbe"`}, `did you mean "web"?`},
		{"S12 owner of another kind", http + "owner = \"http\"\n", []string{`5:9 N2201 no service is named "http"`}, `"http" is a socket: name a service here`},
		{"a malformed owner", http + "owner = \"a b\"\n", []string{"5:11 N2201 "}, ""},
		{"S18 permission", http + "managed-by = [\"system-service\"]\n", []string{`5:15 N2202 no permission is named "system-service"`}, `did you mean "system-services"?`},
		{"S19 names and ids", http + "managed-by = [\"system-services\", 1001, 5]\n[[permission]]\nname = \"ops\"\nid = 5\nusers = [\"root\"]\n", nil, ""},
		{"S19 an unknown id", http + "managed-by = [6]\n", []string{`5:15 N2202 no permission has the id 6`}, "1000 (rind@system-services)"},
		{"S18 links", "[[permission]]\nname = \"a\"\nid = 1\nlinks = [\"b\"]\n", []string{`4:10 N2202 no permission is named "b"`}, ""},
		{"an id twice", "[[permission]]\nname = \"a\"\nid = 1\n[[permission]]\nname = \"b\"\nid = 1\n", []string{`6:6 P6103 permission "u@b" has the id 1 of "u@a"`}, ""},
		{"a link to itself", "[[permission]]\nname = \"a\"\nid = 1\nlinks = [\"a\"]\n", []string{`4:9 P6104 permissions link in a circle: "u@a", "u@a"`}, ""},
		{"S7 everything optional", http, nil, ""},
		{"an option of another transport", strings.Replace(http, "tcp", "udp", 1) + "options = { no-delay = true }\n", []string{"5:13 A4105 transport udp has no option `no-delay`"}, "it is an option of tcp; the options of udp are"},
		{"an option as systemd spells it", http + "options = { RcvBuf = 1 }\n", []string{"5:13 A4105 transport tcp has no option `RcvBuf`"}, "did you mean `receive-buffer`?"},
		{"a table of options", http + "options = { keepalive = { time = 60, probes = { prefer = 3 } }, mark = { prefer = 1 } }\n", nil, ""},
		{"a key of a table of options", http + "options.keepalive = { tmie = \"60s\" }\n", []string{"5:23 A4105 transport tcp has no option `keepalive.tmie`"}, "did you mean `time`?"},
		{"a value in a table of options", http + "options.keepalive = { probes = 0, time = \"1500ms\" }\n", []string{
			"5:32 A4106 option `keepalive.probes` must be an integer from 1 to 127, got 0",
			"5:42 A4106 option `keepalive.time` must be a duration such as \"5s\" or \"2m\" from 1s to 9h6m7s, a multiple of 1s, got \"1500ms\"",
		}, ""},
		{"v6only for every address", strings.Replace(http, ":80", "*:80", 1) + "options = { v6only = true }\n", []string{"5:13 A4109 option `v6only` contradicts the endpoint *:80, which means IPv4 and IPv6"}, "write `[::]:80` for IPv6 only"},
		{"tos on IPv6", strings.Replace(http, ":80", "[::]:80", 1) + "options = { tos = 8 }\n", []string{"5:13 A4109 option `tos` has no meaning for the IPv6 address ::"}, "IPv6 calls it `traffic-class`"},
		{"tos on both", strings.Replace(http, ":80", "[::]:80", 1) + "options = { tos = 8, v6only = false }\n", nil, ""},
		{"tos on a name", strings.Replace(http, ":80", "localhost:80", 1) + "options = { tos = 8, traffic-class = 8 }\n", nil, ""},
		{"mode of no file", strings.Replace(strings.Replace(http, "tcp", "uds", 1), ":80", "@web", 1) + "options = { mode = \"0600\" }\n", []string{"5:13 A4109 option `mode` has no meaning for the abstract socket @web, which is not a file"}, "or listen on a path"},
		{"no group", strings.Replace(http, "tcp", "udp", 1) + "options = { multicast = [\"10.0.0.1\"] }\n", []string{`5:13 A4109 option ` + "`multicast`" + ` has "10.0.0.1", which is no multicast address`}, "239.1.2.3"},
		{"group of the other family", strings.Replace(strings.Replace(http, "tcp", "udp", 1), ":80", "127.0.0.1:80", 1) + "options = { multicast = [\"ff05::1\"] }\n", []string{"5:13 A4109 option `multicast` has ff05::1, of another family than the address"}, "both families"},
		{"no table", http + "options = { keepalive = true }\n", []string{"5:25 A4106 option `keepalive` must be a table with keys such as `time`"}, "the keys of `keepalive` are time, interval, probes"},
		{"a list", strings.Replace(http, "tcp", "udp", 1) + "options = { multicast = [\"239.1.1.1%eth0\", \"x y\"] }\n", []string{
			"5:25 A4106 option `multicast` must be an array of 1 to 64 different strings that match [0-9A-Fa-f:.]{2,45}(%[^%/\\x00-\\x20]{1,15})?, got [\"239.1.1.1%eth0\", \"x y\"]",
		}, ""},
		{"options of connections, and none of ours", http + "options = { linger = \"5s\", SO_REUSEADDR = true }\n", []string{
			"5:13 A4105 transport tcp has no option `linger`", "5:28 A4105 transport tcp has no option `SO_REUSEADDR`",
		}, "the service sets it for those it accepts"},
		{"links of a socket", uds + "options = { links = [\"/run/l\"] }\n", []string{"5:13 A4105 transport uds has no option `links`"}, "did you mean `symlinks`?"},
		{"a builtin permission that is none", http + "managed-by = [\"rind@everyone\"]\n", []string{`5:15 N2202 no permission is named "rind@everyone"`}, "the builtin ones are "},
		{"accept of datagrams is one mistake", strings.Replace(http, "tcp", "udp", 1) + "owner = \"web\"\naccept = true\n" + strings.Replace(http, "\"http\"", "\"h\"", 1) + "owner = \"web\"\nlifecycle = \"owned\"\n" + web + "restart = true\n", []string{
			"6:1 K1017 `accept` is for connections, and socket \"http\" has datagrams",
		}, "remove it"},
		{"several options", http + "options = { backlog = 0, v6only = \"no\", nodelay = true }\n", []string{
			"5:23 A4106 option `backlog` must be an integer from 1 to 1000000, got 0",
			"5:35 A4106 option `v6only` must be true or false, got a string",
			"5:41 A4105 transport tcp has no option `nodelay`",
		}, ""},
		{"accounts", web + "user = \"4294967295\"\ngroup = \"-x\"\n", []string{`4:8 K1304 "4294967295" can be no user`, `5:9 K1304 "-x" can be no group`}, ""},
		{"sound accounts", web + "user = \"www-data\"\ngroup = \"33\"\n", nil, ""},
		{"an account of a directory service", web + "user = \"EXAMPLE\\\\ann\"\ngroup = \"domain users\"\n", nil, ""},
		{"a group as sudo writes it", web + "group = \"%wheel\"\n", []string{`4:9 K1304 "%wheel" can be no group`}, `"wheel"`},
		{"reserved environment", web + "run.env = { LISTEN_FDS = \"1\", LISTEN_PORT = \"2\" }\n", []string{"4:13 K1306 the environment variable LISTEN_FDS is set by the runtime alone"}, ""},
		{"NUL in an argument", web + "run.args = [\"a\\u0000\"]\n", []string{"4:13 K1306 no program can have this argument: it has a NUL byte at byte 1"}, ""},
		{"a branch key twice", "[[state]]\nname = \"s\"\npayload = \"json\"\nbranch = [\"a\", \"a:b\"]\n", []string{`4:16 T3301 branch key "a" of state "u@s" is listed twice`}, ""},
		{"mistakes in a broken unit", http + "colour = \"red\"\nowner = \"nobody\"\nlifecycle = \"owned\"\n", []string{
			"5:1 K1005 socket \"http\" has no key \"colour\"",
			`6:9 N2201 no service is named "nobody"`,
		}, ""},
		{"a mode as a number", uds + "options = { mode = 0o660 }\n", []string{"5:20 A4106 option `mode` must be a file mode "}, "write `mode = \"0660\"`"},
		{"a mode as decimal digits", uds + "options = { mode = 600 }\n", []string{"5:20 A4106 option `mode` must be a file mode "}, "write `mode = \"0600\"`"},
		{"a number that is no mode", uds + "options = { mode = -1 }\n", []string{"5:20 A4106 option `mode` must be a file mode "}, "`mode`: "},
		{"a value in quotes", http + "options = { backlog = \"128\" }\n", []string{"5:23 A4106 option `backlog` must be an integer "}, "write `backlog = 128`"},
		{"a misspelt value", uds + "options = { kind = \"datagram\" }\n", []string{"5:20 A4106 option `kind` must be one of "}, "did you mean \"dgram\"?"},
		{"a command line", web + "[[socket]]\nname = \"a\"\ntype = \"uds\"\nlisten = \"a\"\ntrigger = [{ exec = \"logger -t x\" }]\n", []string{
			"8:21 K1308 no program is likely to be called \"logger -t x\"",
		}, "write `exec = \"logger\"` and `args = [\"-t\", \"x\"]`"},
		{"a command line as eval", host("hostname -f"), []string{"5:25 K1308 no program is likely to be called \"hostname -f\""}, "write `eval = \"hostname\"` and `args = [\"-f\"]`"},
		{"a relative eval", host("bin/hostname"), []string{
			"5:25 K1305 the `auto-payload` of state \"u@host\" cannot run its program: \"bin/hostname\" is relative to a directory that is not known",
		}, "an absolute path"},
		{"a directory with a space", strings.Replace(web, "run.exec = \"web\"", "run.exec = \"/opt/my app/web\"", 1), nil, ""},
		{"a fact in a script", uds + "trigger = [{ script = \"logger access:uid\" }]\n", []string{"5:23 K1206 nothing replaces `access:uid` here"}, "RIND_ACCESS_UID"},
		{"what was sent as an argument", uds + "trigger = [{ exec = \"logger\", args = [\"access:data\"] }]\n", []string{"5:39 K1206 nothing replaces `access:data` here"}, "hand it on with a signal"},
		{"a variable of ours as an argument of a program", uds + "trigger = [{ exec = \"logger\", args = [\"$RIND_ACCESS_UID\", \"$HOME\", \"%i\"] }]\n", []string{
			"5:39 K1206 nothing replaces `$RIND_ACCESS_UID` here",
		}, "use `script`"},
		{"arguments that are patterns", web + "run.args = [\"$HOME\", \"${PORT}\", \"%i\", \"%s\", \"$1\"]\n", nil, ""},
		{"a label in a script", uds + "trigger = [{ script = 'logger \"access:uid=$RIND_ACCESS_UID\"' }]\n", nil, ""},
		{"odd paths", "[[socket]]\nname = \"a\"\ntype = \"uds\"\nlisten = \"/run/50%off/$RECYCLE.BIN/my-%n\"\n", nil, ""},
		{"a variable for a shell", "[[service]]\nname = \"web\"\nrun = { exec = \"/bin/sh\", args = [\"-c\", \"$HOME/x\", \"$HOME\"] }\n", nil, ""},
		{"a variable in a directory", web + "working-dir = \"/home/$USER\"\nuser = \"$USER\"\n", []string{
			"4:15 K1206 nothing replaces `$USER` here", "5:8 K1206 nothing replaces `$USER` here",
		}, "taken as it is"},
		{"a specifier in a path", "[[socket]]\nname = \"a\"\ntype = \"uds\"\nlisten = \"/run/user/%U/a\"\n", []string{"4:10 K1206 nothing replaces `%U` here"}, "taken as it is"},
		{"a variable of ours as an argument", web + "run.args = [\"var:port\"]\nenv = { PORT = \"var:port\", HOST = \"var:host\" }\n[[variable]]\nname = \"port\"\ndefault = 80\n", []string{
			"4:13 K1206 nothing replaces `var:port` here", "5:16 K1206 nothing replaces `var:port` here", `7:8 F5404 nothing uses variable "port"`,
		}, "write the value"},
		{"a fact inside a text", uds + "trigger = [{ signal = \"go\", payload = \"uid access:uid\" }]\n[[signal]]\nname = \"go\"\npayload = \"string\"\n" + web + "start-on = [\"go\"]\n", []string{
			"5:39 K1206 nothing replaces `access:uid` here",
		}, "{ from = \"access:uid\" }"},
		{"a link-local address", "[[socket]]\nname = \"a\"\ntype = \"tcp\"\nlisten = \"[fe80::1]:80\"\n", []string{"4:11 A4102 socket \"u@a\": a link-local address is one of an interface"}, "write `[fe80::1%eth0]:80`"},
		{"a link-local address of a device", "[[socket]]\nname = \"a\"\ntype = \"tcp\"\nlisten = \"[fe80::1]:80\"\noptions = { bind-device = \"eth0\" }\n", nil, ""},
		{"a reference that is literal", uds + "trigger = [{ signal = \"go\", payload = \"state:rind@net-configured/name\" }]\n[[signal]]\nname = \"go\"\npayload = \"string\"\n" + web + "start-on = [\"go\"]\n", []string{
			"5:39 K1206 nothing replaces `state:rind@net-configured/name` here: a payload that is a string is literal",
		}, "{ from = \"state:rind@net-configured/name\" }"},
		{"a text that is no reference", uds + "trigger = [{ signal = \"go\", payload = \"state:of@mind\" }, { script = \"echo access: denied\" }]\n[[signal]]\nname = \"go\"\npayload = \"string\"\n" + web + "start-on = [\"go\"]\n", nil, ""},
		{"bytes for text", uds + "trigger = [{ signal = \"go\", payload = \"access:data\" }]\n[[signal]]\nname = \"go\"\npayload = \"string\"\n", []string{
			"5:39 T3201 signal \"u@go\" has a payload of kind string, got a reference to bytes",
		}, "declare `payload = \"bytes\"`"},
		{"no second error for branch keys that could not be read", uds + "trigger = [{ state = \"s\", payload = { n = 1 } }]\nstart-on = [\"s(branch/n == 1)\", { state = \"s\", branch = { as = { n = 1 } } }]\n" +
			"[[state]]\nname = \"s\"\npayload = \"json\"\nbranch = \"n\"\n", []string{"10:10 K1007 `branch` must be an array of strings, got a string"}, "write `branch = [\"n\"]`"},
		{"no note for a payload of no kind", web + "start-on = [\"s\"]\n[[state]]\nname = \"s\"\n", []string{"5:1 K1008 state \"s\" has no `payload`"}, ""},
		{"no second error for an owner that could not be read", http + "owner = 5\nlifecycle = \"owned\"\n", []string{"5:9 K1007 `owner` must be a string, got an integer"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ds := checked(t, tt.text)
			ds = diag.Sorted(ds, decode.Locate)
			var got []string
			for i, d := range ds {
				line := show(d)
				if i < len(tt.want) && strings.HasSuffix(tt.want[i], " ") && strings.HasPrefix(line, tt.want[i]) {
					line = tt.want[i] // only the start is given
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reported (-want +got):\n%s", diff)
			}
			if tt.help != "" && (len(ds) == 0 || !strings.Contains(ds[0].Help, tt.help)) {
				t.Errorf("help of %v, want one with %q", ds, tt.help)
			}
		})
	}
}
