package health

import (
	"strings"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

// A tickClass is what became of the callers of one class since the start. The page makes rates of it.
type tickClass struct {
	Class   string `json:"class"`
	Served  uint64 `json:"served"`
	Refused uint64 `json:"refused"`
	Would   uint64 `json:"would"`
	// Since is since when the class is overloaded, 0 if it is not.
	Since int64 `json:"since,omitempty"`
}

type tickRoute struct {
	Name    string   `json:"name"`
	ByName  bool     `json:"byName,omitempty"`
	Serves  bool     `json:"serves"`
	Ejected bool     `json:"ejected,omitempty"`
	Why     string   `json:"why,omitempty"`
	Lag     *float64 `json:"lag"` // nil if that is not known
	Served  uint64   `json:"served"`
	Max     int      `json:"max"`
	InUse   int      `json:"inUse"`
	Waiting int      `json:"waiting"`
	// Cells are the states of its connections, a letter each, as in base.js.
	Cells string `json:"cells"`
}

// cellLetters are those of base.js.
var cellLetters = map[string]byte{
	"running": 'R', "reading": 'Q', "transaction": 'T', "held": 'H', "idle": 'i', "opening": 'O', "draining": 'D', "closing": 'C',
}

// routeCells is how many connections of a route are drawn.
const routeCells = 100

func classesOf(s *connector.Stats) []tickClass {
	list := make([]tickClass, 0, priority.NumClasses)
	for _, c := range classStats(s) {
		to := tickClass{Class: c.Class, Served: c.Granted, Refused: c.Refused, Would: c.WouldRefuse}
		if !c.OverloadedSince.IsZero() {
			to.Since = c.OverloadedSince.UnixMilli()
		}
		list = append(list, to)
	}
	return list
}

func routesOf(routes []connector.RouteStatus) []tickRoute {
	list := []tickRoute{}
	for i := range routes {
		r := &routes[i]
		stats := r.Pool.Stats()
		list = append(list, tickRoute{
			Name: shorten(r.Name), ByName: r.ByName, Serves: r.Serves, Ejected: !r.Serves && !r.EjectedUntil.IsZero(), Why: shorten(r.Why),
			Lag: lagOf(r), Served: r.Served, Max: stats.MaxConns, InUse: stats.InUseConns, Waiting: stats.Waiting,
			Cells: cellsOf(r.Pool.Connections(), stats.MaxConns),
		})
	}
	return list
}

// cellsOf returns a letter for each connection, and a dot for each that there might be.
func cellsOf(conns []connector.ConnInfo, most int) string {
	var cells strings.Builder
	for i := range conns {
		if i == routeCells {
			break
		}
		cells.WriteByte(cellLetters[cellState(&conns[i])])
	}
	for cells.Len() < min(most, routeCells) {
		cells.WriteByte('.')
	}
	return cells.String()
}
