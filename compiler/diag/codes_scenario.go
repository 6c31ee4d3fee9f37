package diag

// scenarioCodes are about scenario files, so they have no example that is a unit
// file.
var scenarioCodes = []Info{
	{
		Code: InvalidScenario, Severity: Error, Title: "invalid line in a scenario",
		Text: `A scenario file has one statement in each line, below a line "scenario" with its title. docs/scenarios.md has
them all.`,
	},
	{
		Code: UnknownInScenario, Severity: Error, Title: "a scenario names a unit that is not there",
		Text: `Names mean what they mean in a unit file beside the scenario: the unit of the same group first, else the
only one of that name. Builtin states and signals are only there when a unit uses them.`,
	},
	{
		Code: InvalidInScenario, Severity: Error, Title: "a scenario has a value of another type",
		Text: `A value must have the kind of payload that the state or signal has, and a test must be one that its payload
can pass.`,
	},
}
