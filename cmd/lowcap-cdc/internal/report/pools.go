package report

import (
	"cmp"
	"math/big"
	"slices"

	"lowcap-cdc/cmd/lowcap-cdc/internal/trades"
	"lowcap-cdc/schemas"
)

// poolFold follows the trim pools.
type poolFold struct {
	pools          map[string]*pool // by position
	total          *trades.Flow
	start          trades.Sum
	appeared, gone trades.Sum
	listed         []*pool // of rows that were deleted
	begun          bool
}

// pool is one position's.
type pool struct {
	Row
	held  schemas.Number // as the last event has it; null when empty
	start schemas.Number
	flow  *trades.Flow // of the period; nil when nothing moved it
}

func newPoolFold() poolFold {
	return poolFold{pools: make(map[string]*pool), total: trades.NewFlow()}
}

// begin notes what the pools hold when the period begins.
func (f *poolFold) begin() {
	f.begun = true
	for _, p := range f.pools {
		p.start = p.held
		f.add(&f.start, p.held)
	}
}

// add adds what a pool holds; an empty one holds nothing.
func (f *poolFold) add(to *trades.Sum, held schemas.Number) {
	if held != "" {
		to.Add(held)
	}
}

// forget empties all pools: what they hold is told anew.
func (f *poolFold) forget(in bool) {
	for id, p := range f.pools {
		f.drop(id, p, in)
	}
}

// drop takes in that a row is gone, and its pool with it.
func (f *poolFold) drop(id string, p *pool, in bool) {
	if in {
		f.add(&f.gone, p.held)
		if p.flow != nil || p.start != "" {
			f.listed = append(f.listed, p)
		}
	}
	p.held = ""
	delete(f.pools, id)
}

// row takes in what an event of a position says of its pool.
func (f *poolFold) row(e *event, what string) {
	id := e.text("entity.id")
	p := f.pools[id]
	switch what {
	case "deleted":
		if p != nil {
			f.drop(id, p, e.in)
		}
	case "baseline":
		held := numberOf(e.data.Get("history.trim_pool.usd_basis"))
		if p == nil {
			if isZero(held) {
				return
			}
			p = &pool{Row: e.row()}
			f.pools[id] = p
		}
		if e.in {
			f.add(&f.gone, p.held)
			f.add(&f.appeared, held)
		}
		p.held = held
	}
}

func isZero(n schemas.Number) bool {
	value, ok := n.Rat()
	return !ok || value.Sign() == 0
}

// take takes in a step of a pool.
func (f *poolFold) take(e *event, what string) {
	id := e.text("entity.id")
	p := f.pools[id]
	if p == nil {
		p = &pool{Row: e.row(), held: numberOf(e.data.Get("before.usd_basis"))} // its beginning is gone, or it was empty
		f.pools[id] = p
		if e.in {
			p.start = p.held
			f.add(&f.start, p.held)
		}
	}
	p.Row = e.row()
	p.held = numberOf(e.data.Get("after.usd_basis"))
	if !e.in {
		if isZero(p.held) {
			delete(f.pools, id)
		}
		return
	}
	if p.flow == nil {
		p.flow = trades.NewFlow()
	}
	p.flow.Take(what, e.data)
	f.total.Take(what, e.data)
}

// end sums the period up. What the steps do not explain is said, for a sum that does not come out is a lie somewhere.
func (f *poolFold) end(to *Pools) {
	if !f.begun {
		f.begin() // nothing happened in the period
	}
	var end trades.Sum
	list := f.listed
	for _, p := range f.pools {
		f.add(&end, p.held)
		if p.flow != nil || p.held != "" && !isZero(p.held) {
			list = append(list, p)
		}
	}
	flow := f.total.Pool()
	*to = Pools{Start: f.start.Number(), Appeared: f.appeared.Number(), Gone: f.gone.Number(), Fed: flow.Fed, Lost: flow.Lost,
		Spent: flow.Spent, End: end.Number()}
	var spent trades.Sum
	for _, usd := range flow.Spent {
		if usd != "" {
			spent.Add(usd)
		}
	}
	to.SpentUSD = spent.Number()
	missing := new(big.Rat).Sub(end.Rat(), f.start.Rat())
	missing.Sub(missing, f.appeared.Rat()).Add(missing, f.gone.Rat()).Sub(missing, f.total.Net())
	to.Unexplained = schemas.Number(missing.FloatString(decimalsOf(missing)))
	slices.SortFunc(list, func(x, y *pool) int {
		return cmp.Or(cmp.Compare(x.Token, y.Token), cmp.Compare(x.Position, y.Position))
	})
	for _, p := range list {
		to.List.add(p.line())
	}
}

// decimalsOf returns how many decimals a sum of decimals has, at most those that a report shows.
func decimalsOf(r *big.Rat) int {
	const most = 30
	n := new(big.Rat).Set(r)
	ten := big.NewRat(10, 1)
	for i := range most {
		if n.IsInt() {
			return i
		}
		n.Mul(n, ten)
	}
	return most
}

func (p *pool) line() *PoolRow {
	flow := p.flow
	if flow == nil {
		flow = trades.NewFlow()
	}
	of := flow.Pool()
	return &PoolRow{Row: p.Row, Start: orZero(p.start), Fed: of.Fed, Lost: of.Lost, Spent: of.Spent, End: orZero(p.held)}
}

func orZero(n schemas.Number) schemas.Number { return cmp.Or(n, "0") }
