package schemas

import "strconv"

// AppendEvent appends a whole event in CloudEvents' structured JSON form, one line without line end.
func AppendEvent(dst []byte, a *Attributes, data Data) []byte {
	o := beginObject(dst)
	o.string("specversion", "1.0")
	o.string("id", a.ID)
	o.string("source", a.Source)
	o.string("type", string(a.Type))
	o.string("subject", a.Subject)
	o.string("time", a.Time)
	o.string("datacontenttype", "application/json")
	o.name("dataschema")
	o.dst = append(a.Type.AppendDataSchema(append(o.dst, '"')), '"') // a type needs no escapes
	o.string("partitionkey", a.PartitionKey)
	o.string("sequence", a.Sequence)
	o.string("severity", string(a.Severity))
	if a.Number != 0 {
		o.name("number")
		o.dst = append(strconv.AppendUint(append(o.dst, '"'), a.Number, 10), '"') // CloudEvents integers have 32 bits
		o.string("chain", a.Chain)
	}
	o.name("data")
	o.dst = data.AppendJSON(o.dst)
	return o.end()
}

// entity writes what an event is about.
func (o *object) entity(name string, value Entity) {
	o.open(name)
	switch e := value.(type) {
	case Position:
		o.position(&e)
	case Block:
		o.block(&e)
	case Table:
		o.table(&e)
	case Stream:
		o.stream(&e)
	}
	o.close()
}
