/*
 * SparkShell.java - SQL in, JSON out, one line each
 *
 * Run from source by Janino, which Spark brings along, so that no compiler of Java is needed:
 *
 *     java -cp CLASSPATH org.codehaus.janino.SimpleCompiler SparkShell.java SparkShell WAREHOUSE
 *
 * Tables of data directory WAREHOUSE/NAME are pt.NAME.lake.events, through Iceberg's Hadoop catalogue:
 * the directory alone says what is current. Each line of standard input is one statement; each
 * is answered by "ok [row, …]" or "error …". Janino reads Java 8 without lambdas.
 */
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;

import org.apache.spark.sql.SparkSession;

public class SparkShell {
    public static void main(String[] args) throws Exception {
        String catalog = "spark.sql.catalog.pt";
        SparkSession spark = SparkSession.builder()
            .master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.warehouse.dir", args[0] + "/spark-warehouse")
            .config("spark.sql.extensions",
                    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .config(catalog, "org.apache.iceberg.spark.SparkCatalog")
            .config(catalog + ".type", "hadoop")
            .config(catalog + ".warehouse", "file://" + args[0])
            .config(catalog + ".cache-enabled", "false")
            .getOrCreate();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        java.io.PrintStream out = new java.io.PrintStream(System.out, true, "UTF-8");

        out.println("ok []");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                List rows = spark.sql(line).toJSON().collectAsList();
                StringBuilder text = new StringBuilder("ok [");

                for (int i = 0; i < rows.size(); i++) {
                    text.append(i == 0 ? "" : ",").append(rows.get(i));
                }
                out.println(text.append("]").toString());
            } catch (Throwable e) {
                out.println("error " + String.valueOf(e.getMessage()).replace('\n', ' '));
            }
        }
        spark.stop();
    }
}
