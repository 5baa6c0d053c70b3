using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace DistOpt.Hosting.Tests.Journal;

/// <summary>
/// A PostgreSQL server of the tests' own, from the programs of the system's package, in a temporary folder and on a free port of loopback, or of
/// another machine. Where the programs are missing or refuse, the tests that want it are skipped with the reason.
/// </summary>
public sealed class PostgresServer : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-postgres-").FullName;
    private string[] _through = [];
    private string _address = "127.0.0.1";
    private string? _programs;
    private int _port;

    /// <summary>Begins a server on another machine.</summary>
    /// <param name="through">What runs a program there.</param>
    /// <param name="address">Where it listens; everybody who gets there is trusted.</param>
    internal static async Task<PostgresServer> OnAsync(string[] through, string address)
    {
        var server = new PostgresServer { _through = through, _address = address };
        await server.InitializeAsync();
        return server;
    }

    /// <summary>Connection string of the database that is there from the beginning.</summary>
    internal string Database => For("postgres");

    /// <summary>Why there is no server; null = there is.</summary>
    public string? Missing { get; private set; }

    public async ValueTask InitializeAsync()
    {
        _programs = Programs();
        if (_programs is null)
        {
            Missing = "PostgreSQL is not installed here (apt-get install postgresql): initdb was not found in PATH or /usr/lib/postgresql/*/bin";
            return;
        }
        _port = FreePort();
        // the server refuses to run as root
        if (Environment.UserName == "root" && await RunAsync("chown", "postgres", _folder) is { Code: not 0 } chown)
        {
            Missing = $"PostgreSQL does not run as root, and the folder cannot be given to the user postgres: {chown.Text}";
            return;
        }
        var made = await RunServerAsync("initdb", "-D", Data, "-U", "distopt", "-A", "trust", "-E", "UTF8", "--no-sync");
        if (made.Code == 0 && _through.Length > 0) await File.AppendAllTextAsync(Path.Combine(Data, "pg_hba.conf"), "host all all all trust\n", CancellationToken.None);
        var started = made.Code != 0 ? made
            : await RunServerAsync("pg_ctl", "-D", Data, "-w", "-l", Path.Combine(_folder, "log"), "-o", $"-p {_port} -k {_folder} -c listen_addresses={_address}", "start");
        if (started.Code != 0) Missing = $"PostgreSQL does not start here: {started.Text}";
    }

    /// <summary>Connection string of an empty database.</summary>
    public string NewDatabase()
    {
        Assert.SkipWhen(Missing is not null, Missing ?? "");
        string name = "t" + Guid.NewGuid().ToString("n");
        using var connection = new NpgsqlConnection(For("postgres"));
        connection.Open();
        using var command = new NpgsqlCommand($"CREATE DATABASE {name}", connection);
        command.ExecuteNonQuery();
        return For(name);
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (_programs is not null && Missing is null) await RunServerAsync("pg_ctl", "-D", Data, "-w", "-m", "immediate", "stop");
        Directory.Delete(_folder, recursive: true);
    }

    private string Data => Path.Combine(_folder, "data");

    private string For(string database) => $"Host={_address};Port={_port};Username=distopt;Database={database}";

    private static string? Programs()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        if (Directory.Exists("/usr/lib/postgresql"))
            folders = [.. folders, .. Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(d => Path.Combine(d, "bin"))];
        return folders.FirstOrDefault(f => File.Exists(Path.Combine(f, "initdb")) && File.Exists(Path.Combine(f, "pg_ctl")));
    }

    private Task<(int Code, string Text)> RunServerAsync(string program, params string[] arguments)
    {
        string path = Path.Combine(_programs!, program);
        string[] line = [.. _through, .. Environment.UserName == "root" ? (string[])["runuser", "-u", "postgres", "--"] : [], path, .. arguments];
        return RunAsync(line[0], line[1..]);
    }

    private async Task<(int Code, string Text)> RunAsync(string program, params string[] arguments)
    {
        // not redirected to a pipe: the server would hold it open after pg_ctl has ended
        string output = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        string line = string.Join(' ', new[] { program }.Concat(arguments).Select(a => "'" + a.Replace("'", "'\\''", StringComparison.Ordinal) + "'"));
        try
        {
            using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"exec {line} > {output} 2>&1 < /dev/null"]) { WorkingDirectory = _folder })!;
            await process.WaitForExitAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60), CancellationToken.None);
            return (process.ExitCode, File.Exists(output) ? await File.ReadAllTextAsync(output, CancellationToken.None) : "");
        }
        finally
        {
            File.Delete(output);
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
