package trades

import (
	"math/big"

	"github.com/tidwall/gjson"

	"lowcap-cdc/schemas"
)

// Flow adds up what moved a trim pool, or several.
type Flow struct {
	fed, lost Sum
	spent     map[string]*Sum
}

// NewFlow returns a flow that nothing has moved.
func NewFlow() *Flow { return &Flow{spent: make(map[string]*Sum)} }

// Pool is what became of the position's trim pool while the trade lasted. A pool outlives its trade: what one has fed, the next may
// spend. What it held changed by fed − lost − all that was spent.
type Pool struct {
	Fed   schemas.Number            `json:"fed"`   // USD that came in
	Lost  schemas.Number            `json:"lost"`  // USD that stale writes took, less what they brought back
	Spent map[string]schemas.Number `json:"spent"` // USD by what took it: the reason of trim_pool.closed, or replaced, adjusted
}

// Take takes in an event's data: step is its type without the word trim_pool.
func (f *Flow) Take(step string, data gjson.Result) {
	number := func(field string) schemas.Number { return numberOf(data.Get(field)) }
	switch step {
	case "opened", "increased":
		f.fed.Add(number("added_usd"))
	case "replaced":
		f.fed.Add(number("new_basis"))
		f.spend("replaced", number("old_basis"))
	case "closed":
		f.spend(copied(data.Get("reason")), number("closed_basis"))
	case "reverted", "restored":
		f.lost.Take(DeltaOf(data))
	case "adjusted":
		delta := DeltaOf(data)
		if usd, ok := delta.Rat(); ok && usd.Sign() < 0 {
			f.spend("adjusted", delta[1:])
		} else {
			f.fed.Add(delta)
		}
	}
}

// mostReasons bounds for how many reasons sums are kept; what is spent on others counts as other.
const mostReasons = 50

func (f *Flow) spend(on string, usd schemas.Number) {
	if f.spent[on] == nil && len(f.spent) >= mostReasons {
		on = "other"
	}
	s := f.spent[on]
	if s == nil {
		s = &Sum{}
		f.spent[on] = s
	}
	s.Add(usd)
}

// Pool returns the sums.
func (f *Flow) Pool() Pool {
	p := Pool{Fed: f.fed.Number(), Lost: f.lost.Number(), Spent: make(map[string]schemas.Number, len(f.spent))}
	for what, s := range f.spent {
		p.Spent[what] = s.Number()
	}
	return p
}

// Net returns by how much the pools grew, as far as it is known: what was fed, less what was lost and spent.
func (f *Flow) Net() *big.Rat {
	net := new(big.Rat).Sub(f.fed.Rat(), f.lost.Rat())
	for _, s := range f.spent {
		net.Sub(net, s.Rat())
	}
	return net
}

// DeltaOf returns by how much the USD in a pool grew with an event. Events of contract v1.1 do not say it, but what the pool was and is.
func DeltaOf(data gjson.Result) schemas.Number {
	if v := data.Get("delta_usd"); v.Exists() {
		return numberOf(v)
	}
	var s Sum
	if basis := numberOf(data.Get("after.usd_basis")); basis != "" {
		s.Add(basis)
	}
	if basis := numberOf(data.Get("before.usd_basis")); basis != "" {
		s.Take(basis)
	}
	return s.Number()
}
