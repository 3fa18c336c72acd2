package adaptive

// A Reason says why a limit was changed.
type Reason uint8

// The reasons.
const (
	None       Reason = iota
	Begin             // it was put in force
	Configured        // its bounds were changed
	Probe             // another limit is tried
	Back              // what was tried was not better
	Grow              // more at once got more done
	Flat              // fewer at once got as much done
	Crowded           // fewer at once got more done
	Latency           // calls took twice as long as before, and no more got done
	Timeouts          // too many calls ran out of time
	Refused           // the server has no room for more
	Starting          // the server was not ready
	Stalled           // nothing came back for long
	NumReasons
)

var reasonNames = [NumReasons]string{
	"", "begin", "configured", "probe", "back", "grow", "flat", "crowded", "latency", "timeouts", "refused", "starting", "stalled",
}

// String returns the reason's name, such as "grow"; "" for None.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "unknown"
}
