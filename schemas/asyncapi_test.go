package schemas

import (
	"encoding/json"
	"reflect"
	"strings"
)

type document = map[string]any

// asyncAPI returns the AsyncAPI document: topics, keys, headers, and which messages each topic has.
func (g *generator) asyncAPI() document {
	channels, operations, messages := document{}, document{}, document{}
	for _, kind := range Kinds() {
		id := kind.Type.Name()
		messages[id] = g.message(kind)
		if channels[kind.Topic] == nil {
			channels[kind.Topic] = document{"address": "{prefix}" + kind.Topic, "description": topicDescriptions()[kind.Topic],
				"messages":   document{},
				"parameters": document{"prefix": document{"default": "lowcap.", "description": "--topic-prefix of the sidecar"}}}
			operations["publish-"+kind.Topic] = document{"action": "send", "channel": document{"$ref": "#/channels/" + kind.Topic}}
		}
		channels[kind.Topic].(document)["messages"].(document)[id] = document{"$ref": "#/components/messages/" + id}
	}
	return document{
		"asyncapi": "3.0.0", "defaultContentType": structured,
		"info": document{"title": "lowcap-cdc", "version": "1.0.0", "description": "What happened to the entry blocks and " +
			"positions of a trading bot, as CloudEvents 1.0 on Kafka, each event once. " +
			"Read with isolation.level=read_committed; order by sequence."},
		"channels": channels, "operations": operations,
		"components": document{"messages": messages, "schemas": document{"headers": g.headers(), "key": document{
			"type": "string", "description": "token_chain/token_contract/timeframe; the table's name or the slot on the control topic. " +
				"Partitioned as Java's default partitioner does (murmur2), so the events of a token's block and " +
				"of its position are in partitions of one number."}}},
	}
}

func topicDescriptions() map[string]string {
	return map[string]string{
		EntryBlocks:    "What happened to the blocks that keep the bot from entering a token again.",
		TrimPools:      "What happened to the pools of USD that sells leave for rebuys.",
		EmergencyExits: "Positions sold in an emergency.",
		Executions:     "Buys, trims, buybacks, and the engine state at the last of them.",
		Positions:      "Rows of positions: created, deleted, status, trades opened and closed, and the baseline.",
		Quarantine:     "Parts of rows that could not be read, and keys that this version does not know.",
		Control:        "The stream and the tables themselves: gaps, reconciles, truncated and missing tables.",
	}
}

func (g *generator) message(kind Kind) document {
	of := reflect.TypeOf(kind.New()).Elem()
	message := document{
		"name": string(kind.Type), "title": kind.Type.Name(), "contentType": structured,
		"summary": strings.Replace(g.LookupComment(of, ""), of.Name(), kind.Type.Name(), 1),
		"headers": document{"$ref": "#/components/schemas/headers"}, "payload": document{"$ref": "v1/" + kind.Type.Name() + ".json"},
		"bindings": document{"kafka": document{"key": document{"$ref": "#/components/schemas/key"}, "bindingVersion": "0.5.0"}},
		"tags":     tagsOf(kind),
	}
	if example, ok := g.examples[kind.Type]; ok {
		var attributes Attributes
		if err := json.Unmarshal(example, &attributes); err == nil {
			message["examples"] = []any{document{"headers": headersOf(&attributes), "payload": example}}
		}
	}
	return message
}

// tagsOf returns the severities that a type's events may have.
func tagsOf(kind Kind) (tags []any) {
	for _, severity := range kind.Severities {
		tags = append(tags, document{"name": string(severity)})
	}
	return tags
}

// headers returns the schema of a record's headers: the attributes again, so that a consumer can filter without parsing.
func (g *generator) headers() document {
	properties := document{"content-type": document{"const": structured, "description": "media type of the value"},
		"ce_specversion": document{"const": "1.0", "description": "version of CloudEvents"},
		"ce_dataschema":  document{"type": "string", "description": "the $id of the type's JSON Schema"}}
	attributes := g.of(reflect.TypeFor[Attributes]())
	for name, property := range attributes.Properties.FromOldest() {
		properties["ce_"+name] = property
	}
	names := make([]string, 0, len(properties))
	for name := range headersOf(&Attributes{}) {
		names = append(names, name)
		if properties[name] == nil {
			properties[name] = document{"type": "string"}
		}
	}
	return document{"type": "object", "properties": properties, "required": sorted(names)}
}
