import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Tells of every event that somebody should know of: java -cp 'jars/*' Alerts.java BROKERS [--ntfy URL] [--once]
 *
 * <p>With --ntfy, e.g. https://ntfy.sh/A-NAME-THAT-NOBODY-GUESSES, it also goes to the phones that subscribe to that topic. A first
 * start begins with what comes from then on; --once reads everything from the beginning and ends.
 */
public class Alerts {
    /** Numbers as the event has them: exact, with all their zeros. */
    private static final ObjectMapper JSON = JsonMapper.builder().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
        .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES).build();
    private static final List<String> USD =
        List.of("proceeds_usd", "exit_value_usd", "value_usd", "usd", "closed_basis", "usd_basis", "pnl_usd");
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    public static void main(String[] args) throws Exception {
        var options = List.of(args);
        boolean once = options.contains("--once"); // stop at the end, for tests
        String ntfy = options.contains("--ntfy") ? args[options.indexOf("--ntfy") + 1] : null;
        var settings = Map.<String, Object>of(
            "bootstrap.servers", args[0], "group.id", "alerts-java",
            "isolation.level", "read_committed", // without it you also see what was never committed
            "auto.offset.reset", once ? "earliest" : "latest", "enable.auto.commit", "false");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(Pattern.compile("lowcap\\.(?!cdc-state).*"));
            do {
                for (var record : consumer.poll(Duration.ofMillis(500))) {
                    tell(record, ntfy);
                }
                consumer.commitSync(); // after handling: after a crash the last events come again, drop them by sequence
            } while (!once || !atEnd(consumer));
        }
    }

    private static void tell(ConsumerRecord<String, String> record, String ntfy) throws IOException, InterruptedException {
        JsonNode event = parse(record.value());
        if (!event.path("data").isObject() || !event.path("id").isTextual()) {
            System.err.printf("%s/%d at %d was passed over: it is no event%n", record.topic(), record.partition(), record.offset());
            return;
        }
        String severity = event.path("severity").asText();
        if (severity.equals("info")) {
            return;
        }
        JsonNode data = event.path("data");
        String ticker = data.path("entity").path("token_ticker").asText("");
        String token = ticker.isEmpty() ? data.path("entity").path("token_contract").asText("") : ticker;
        String usd = USD.stream().map(data::path).filter(JsonNode::isNumber).findFirst().map(n -> n.asText() + " USD").orElse("");
        String about = (token + " " + data.path("entity").path("timeframe").asText("") + " " + usd).replaceAll("\\s+", " ").strip();
        System.out.println((severity + " " + event.path("type").asText() + " " + event.path("id").asText() + " " + about).strip());
        if (ntfy != null) {
            push(ntfy, severity.equals("page") ? "5" : "3", event.path("type").asText() + " " + about);
        }
    }

    private static JsonNode parse(String value) {
        try {
            return JSON.readTree(value == null ? "null" : value);
        } catch (JsonProcessingException e) {
            return JSON.missingNode();
        }
    }

    /** An error ends the program, and the event comes again with the next start. */
    private static void push(String to, String priority, String text) throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(to)).timeout(Duration.ofSeconds(10)).header("Priority", priority)
            .POST(HttpRequest.BodyPublishers.ofString(text)).build();
        int status = HTTP.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
        if (status != 200) {
            throw new IOException("ntfy answers " + status);
        }
    }

    private static boolean atEnd(KafkaConsumer<?, ?> consumer) {
        var assigned = List.copyOf(consumer.assignment());
        var ends = consumer.endOffsets(assigned); // with read_committed: the last stable offsets
        return !assigned.isEmpty() && assigned.stream().allMatch(p -> consumer.position(p) >= ends.get(p));
    }
}
