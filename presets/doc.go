// Package presets finds a configuration that fits: five that are ready, what the environment says, and how large a pool
// should be.
//
//	settings, err := presets.FromEnvironment(presets.Production())
//	if err != nil {
//		log.Fatal(err) // everything that is wrong with the environment, at once
//	}
//	db, err := poolsql.Open(settings.Config)
//
// Each preset returns a [connector.Config], to be changed further. [FromEnvironment] lays the environment over one, and
// what the program itself says over that: overrides win over the environment, the environment over the preset.
// [OptimalSize] says how many connections a pool may and should have, and why.
//
// # Who does what
//
// This package reads and computes. It starts nothing, opens no connection, and changes no environment. What it reads and
// a Config has no place for is in [Settings], for the one place that puts a program together, its main function as a rule:
// there the pool is opened with Settings.Config, checks of health are begun every Settings.HealthCheckInterval unless that
// is zero, and metrics are registered if Settings.Metrics says so. Nobody else looks at these two.
//
// # Secrets
//
// No error of this package holds the value of a variable, whatever it is: a password that was put into the wrong variable
// does not end in a log. An error names the variable and the form that it should have, and, of DATABASE_URL, the parameters
// beginning with pool_ that there are not.
package presets
