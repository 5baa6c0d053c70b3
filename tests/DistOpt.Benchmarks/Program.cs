using DistOpt.Benchmarks;
using DistOpt.Benchmarks.Tensors;

// dotnet run -c Release --project tests/DistOpt.Benchmarks -- [--list] [--rounds N] [row ...]
if (args is [PushPullServer.Argument, ..]) return await PushPullServer.RunAsync(args);
int rounds = 15;
var names = new List<string>();
for (int i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--list":
            foreach (var row in BenchmarkRows.All) Console.WriteLine($"{row.Name,-16} {row.Summary}");
            return 0;
        case "--rounds":
            if (i + 1 == args.Length || !int.TryParse(args[++i], out rounds) || rounds < 1)
            {
                Console.Error.WriteLine("--rounds wants a number of 1 or more");
                return 2;
            }
            break;
        default:
            names.Add(args[i]);
            break;
    }
}

string[] unknown = [.. names.Where(n => BenchmarkRows.All.All(r => r.Name != n))];
if (unknown.Length > 0)
{
    Console.Error.WriteLine($"row '{unknown[0]}' is not known. Available: {string.Join(", ", BenchmarkRows.All.Select(r => r.Name))}");
    return 2;
}

using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    interrupted.Cancel();
};

// progress on stderr, the table alone on stdout
var context = new BenchmarkContext(rounds, Console.Error.WriteLine, interrupted.Token);
var lines = new List<BenchmarkLine>();
Console.Error.WriteLine(BenchmarkTable.Machine());
try
{
    foreach (var row in BenchmarkRows.All.Where(r => names.Count == 0 || names.Contains(r.Name)))
    {
        Console.Error.WriteLine($"{row.Name}: {row.Summary}");
        lines.AddRange(row.Run(context));
    }
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("interrupted; rows so far:");
}
Console.WriteLine(BenchmarkTable.Machine());
Console.WriteLine();
Console.Write(BenchmarkTable.Format(lines));
return lines.Any(l => l.Holds == false) ? 1 : interrupted.IsCancellationRequested ? 130 : 0;
