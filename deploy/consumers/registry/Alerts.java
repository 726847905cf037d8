import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.avro.generic.GenericRecord;
import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Prints every event that somebody should know of, with Apicurio's deserialisers: java -cp 'jars/*' Alerts.java BROKERS REGISTRY avro|json-schema [--once]. */
public class Alerts {
    static final String PREFIX = "lowcap.";

    public static void main(String[] args) {
        boolean avro = args[2].equals("avro"), once = args.length > 3 && args[3].equals("--once"); // stop at the end, for tests
        var settings = Map.<String, Object>of(
            "bootstrap.servers", args[0], "group.id", "alerts-java-" + args[2],
            "isolation.level", "read_committed", // without it you also see what was never committed
            "auto.offset.reset", "earliest", "enable.auto.commit", "false",
            "key.deserializer", StringDeserializer.class,
            "value.deserializer", avro ? "io.apicurio.registry.serde.avro.AvroKafkaDeserializer" : "io.apicurio.registry.serde.jsonschema.JsonSchemaKafkaDeserializer",
            "apicurio.registry.url", args[1],
            "apicurio.registry.id-handler", "io.apicurio.registry.serde.Legacy4ByteIdHandler", // Confluent's wire format
            "apicurio.registry.use-id", "contentId");
        try (var consumer = new KafkaConsumer<String, Object>(settings)) {
            consumer.subscribe(Pattern.compile(Pattern.quote(PREFIX) + "(?!cdc-state).*"));
            do {
                for (var record : consumer.poll(Duration.ofMillis(500))) {
                    String severity = field(record.value(), "severity");
                    if (!severity.equals("info")) {
                        System.out.println(severity + " " + field(record.value(), "type") + " " + field(record.value(), "id"));
                    }
                }
                consumer.commitSync();
            } while (!once || !atEnd(consumer));
        }
    }

    private static String field(Object event, String name) {
        return event instanceof GenericRecord record ? record.get(name).toString() : ((JsonNode) event).get(name).asText();
    }

    private static boolean atEnd(KafkaConsumer<?, ?> consumer) {
        var assigned = List.copyOf(consumer.assignment());
        var ends = consumer.endOffsets(assigned); // with read_committed: the last stable offsets
        return !assigned.isEmpty() && assigned.stream().allMatch(p -> consumer.position(p) >= ends.get(p));
    }
}
