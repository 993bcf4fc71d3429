import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Spark as the other engine on our tables. Arguments: JDBC URL, user, password, warehouse. Each line of standard
 * input is a SQL statement; each answer is one line: a JSON array of rows, or `ERROR ` and the message.
 */
public class SparkPeer {
  public static void main(String[] args) throws Exception {
    SparkSession spark = SparkSession.builder()
        .master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
        .config("spark.sql.catalog.lastro", "org.apache.iceberg.spark.SparkCatalog")
        .config("spark.sql.catalog.lastro.type", "jdbc")
        .config("spark.sql.catalog.lastro.uri", args[0])
        .config("spark.sql.catalog.lastro.jdbc.user", args[1])
        .config("spark.sql.catalog.lastro.jdbc.password", args[2])
        .config("spark.sql.catalog.lastro.jdbc.schema-version", "V1")
        .config("spark.sql.catalog.lastro.warehouse", args[3])
        // It would keep tables as they were when it first saw them, and miss the other writer.
        .config("spark.sql.catalog.lastro.cache-enabled", "false")
        .getOrCreate();
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      try {
        Dataset<Row> rows = spark.sql(line);
        out.println("ROWS [" + String.join(",", rows.toJSON().collectAsList()) + "]");
      } catch (Exception error) {
        out.println("ERROR " + String.valueOf(error.getMessage()).replace('\n', ' '));
      }
    }
    spark.stop();
  }
}
