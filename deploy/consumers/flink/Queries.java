import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Runs queries over what is on the topics now, in a cluster inside this process, and prints their rows as CSV:
 * java -cp 'jars/*' Queries.java BROKERS tables.sql views.sql QUERY.sql...
 */
public class Queries {
    public static void main(String[] args) throws Exception {
        var tables = TableEnvironment.create(EnvironmentSettings.inBatchMode());
        tables.getConfig().set("table.local-time-zone", "UTC");
        tables.getConfig().set("parallelism.default", "1");
        for (String statement : statements(args[1])) {
            // A batch ends where the topic ends now; a stream leaves the bound out.
            tables.executeSql(statement.replace("localhost:9092", args[0]).replace("'format' =", "'scan.bounded.mode' = 'latest-offset', 'format' ="));
        }
        for (String statement : statements(args[2])) {
            tables.executeSql(statement);
        }
        for (String query : List.of(args).subList(3, args.length)) {
            System.out.println("# " + Path.of(query).getFileName());
            try (var rows = tables.executeSql(Files.readString(Path.of(query))).collect()) {
                rows.forEachRemaining(row -> {
                    var fields = new ArrayList<String>();
                    for (int i = 0; i < row.getArity(); i++) {
                        var field = row.getField(i);
                        fields.add(field == null ? "" : field instanceof BigDecimal number ? number.toPlainString() : field.toString());
                    }
                    System.out.println(String.join(",", fields));
                });
            }
        }
    }

    private static List<String> statements(String file) throws Exception {
        var text = Files.readString(Path.of(file)).replaceAll("(?m)^--.*\n", "");
        return List.of(text.split(";\\s*\n")).stream().filter(s -> !s.isBlank()).toList();
    }
}
