package grammar

import (
	"strings"
	"testing"
	"time"
)

func TestDurationFixes(t *testing.T) {
	for in, want := range map[string]string{
		"5min": "5m", "5 minutes": "5m", "1h 30m": "1h30m", "1 Hour 30 min": "1h30m", "10 sec": "10s", "100 µs": "100us",
		"2 fortnights": "", "5": "", "1 h 30": "",
	} {
		got := ""
		if _, bad := ParseDuration(in); bad != nil && bad.Fix(in) != nil {
			got = bad.Fix(in).New
		}
		if got != want {
			t.Errorf("the fix of %q is %q, want %q", in, got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	tests := []struct {
		name, in string
		want     time.Duration
		wantErr  string // with the marked part behind " at "
	}{
		{"seconds", "5s", 5 * time.Second, ""},
		{"two units", "1h30m", 90 * time.Minute, ""},
		{"all units", "1d2h3m4s5ms6us", 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond + 6*time.Microsecond, ""},
		{"milliseconds", "100ms", 100 * time.Millisecond, ""},
		{"days", "2d", 48 * time.Hour, ""},
		{"a fraction", "1.5s", 1500 * time.Millisecond, ""},
		{"seconds without a unit", "90", 90 * time.Second, ""},
		{"zero", "0", 0, ""},
		{"negative", "-5s", -5 * time.Second, ""},
		{"negative without a unit", "-5", -5 * time.Second, ""},
		{"empty", "", 0, "a duration must not be empty at "},
		{"a unit alone", "s", 0, "a number is missing at s"},
		{"a sign alone", "-", 0, "a number is missing at "},
		{"an unknown unit", "5min", 0, `"5min" is no duration at 5min`},
		{"a strange unit", "5parsecs", 0, `"parsecs" is no unit of time at parsecs`},
		{"a space", "1h 30m", 0, `"1h 30m" is no duration at 1h 30m`},
		{"words", "1 Hour 30 minutes", 0, `"1 Hour 30 minutes" is no duration at 1 Hour 30 minutes`},
		{"words in the wrong order", "30 minutes 1 hour", 0, "30 has no unit at 30"},
		{"units in the wrong order", "30m1h", 0, "`h` is in the wrong place at 1h"},
		{"a unit twice", "1s1s", 0, "`s` is in the wrong place at 1s"},
		{"a number without a unit at the end", "1h30", 0, "30 has no unit at 30"},
		{"two points", "1.2.3s", 0, `"1.2.3" is no number at 1.2.3`},
		{"a point", ".s", 0, `"." is no number at .`},
		{"a fraction of seconds without a unit", "1.5", 0, "1.5 has no unit at 1.5"},
		{"more than there is", "99999999999999h", 0, "a duration must not be longer than 292 years at 99999999999999h"},
		{"a sum of more than there is", "106751d999h", 0, "a duration must not be longer than 292 years at 106751d999h"},
		{"too long", strings.Repeat("1", 65), 0, "a duration of 65 bytes is too long, at most 64 are allowed at " + strings.Repeat("1", 65)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad := ParseDuration(tt.in)
			text := ""
			if bad != nil {
				checkError(t, tt.in, bad)
				text = bad.Message + " at " + tt.in[bad.From:bad.To]
			}
			if got != tt.want || text != tt.wantErr {
				t.Errorf("ParseDuration(%q) = %v, %q; want %v, %q", tt.in, got, text, tt.want, tt.wantErr)
			}
		})
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"1h30m", "2d", "-5", "1.5s", "9e9s", "..", "292y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, bad := ParseDuration(s); bad != nil {
			checkError(t, s, bad)
		}
	})
}
