using System.ComponentModel.DataAnnotations;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.EndToEnd.Tests.UserCode;

/// <summary>A user's program: models that make it hard to be exact, and that write to the console.</summary>
internal static class UserApp
{
    public static void Configure(DistOptAppBuilder app) => app
        .AddModel<NormNetOptions>("norm-net", (options, data) => new NormNet(options, data.Classes.Length))
        .AddModel<TalkerOptions, Talker, SupervisedBatch>("talker", (_, data) => new Talker(data.InputLength, data.Classes.Length), Talker.Step)
        .AddModel<CrasherOptions, Crasher, SupervisedBatch>("crasher", (options, data) => new Crasher(options, data.InputLength, data.Classes.Length),
            Crasher.Step)
        .AddCommand(FunctionStudyCommand.Create())
        .AddModel<CountedOptions, Counted, SupervisedBatch>("counted", (options, data) => new Counted(options, data.InputLength, data.Classes.Length), Counted.Step);
}

/// <summary>Options of <see cref="NormNet"/>.</summary>
public sealed record NormNetOptions
{
    [Range(1, 64)]
    public int Channels { get; init; } = 4;

    [Range(0.0, 0.9)]
    public double Dropout { get; init; } = 0.3;
}

/// <summary>Pictures to classes, with torch's own batch norm (buffers) and dropout (libtorch's process-wide generator).</summary>
public sealed class NormNet : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, Tensor> layers;

    public NormNet(NormNetOptions options, int classes) : base(nameof(NormNet))
    {
        layers = nn.Sequential(
            nn.Conv2d(1, options.Channels, 3, padding: 1), nn.BatchNorm2d(options.Channels), nn.ReLU(), nn.Dropout(options.Dropout),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16 * options.Channels, 40), nn.ReLU(), nn.Dropout(options.Dropout), nn.Linear(40, classes));
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => layers.forward(input);
}

/// <summary>Options of <see cref="Talker"/>: none.</summary>
public sealed record TalkerOptions;

/// <summary>A linear model with a training step of its own that writes to the console and logs a metric.</summary>
public sealed class Talker : nn.Module<Tensor, Tensor>
{
    private readonly TorchSharp.Modules.Linear linear;

    public Talker(int inputs, int classes) : base(nameof(Talker))
    {
        linear = nn.Linear(inputs, classes);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => linear.forward(input.flatten(1));

    public static StepResult Step(Talker module, SupervisedBatch batch, StepContext context)
    {
        if (context is { Training: true, Epoch: 0, Step: 0, Rows: > 0 })
            Console.WriteLine($"step {context.Step} position {context.FirstPosition} in process {Environment.ProcessId}");
        var output = module.forward(batch.Input);
        context.Log("correct", output.argmax(1).eq(batch.Target).sum(), context.Rows);
        return new StepResult(nn.functional.cross_entropy(output, batch.Target, reduction: nn.Reduction.Sum), context.Rows);
    }
}

/// <summary>Options of <see cref="Crasher"/>.</summary>
public sealed record CrasherOptions
{
    /// <summary>"throw", "fail-fast", "abort" (in native code), "allocate" (without end), or "wait": until <see cref="Once"/> is there no more.</summary>
    public string How { get; init; } = "throw";

    /// <summary>Fail when the model is built, and not in a step.</summary>
    public bool Opening { get; init; }

    /// <summary>A process with that in its command line builds the model without failing; empty: none does.</summary>
    public string Spares { get; init; } = "";

    /// <summary>Position in the first epoch: the gradient shard that begins there fails. 640 = at step 20 with batches of 32.</summary>
    [Range(0, 1_000_000)]
    public int AtPosition { get; init; } = 640;

    /// <summary>A file: whoever makes it fails, and nobody else. Empty: everyone fails at every try.</summary>
    public string Once { get; init; } = "";
}

/// <summary>A model, large enough for several servers, whose training step fails.</summary>
public sealed class Crasher : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, Tensor> layers;
    private readonly CrasherOptions _options;

    public Crasher(CrasherOptions options, int inputs, int classes) : base(nameof(Crasher))
    {
        _options = options;
        if (options.Opening && !IsSpared(options.Spares)) Fail(options.How);
        layers = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, classes));
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => layers.forward(input.flatten(1));

    public static StepResult Step(Crasher module, SupervisedBatch batch, StepContext context)
    {
        var options = module._options;
        if (context is { Training: true, Epoch: 0, Step: 0, Rows: > 0 }) Console.WriteLine($"process {Environment.ProcessId} has begun");
        bool isThere = !options.Opening && context is { Training: true, Epoch: 0, Step: > 0, Rows: > 0 } && context.FirstPosition == options.AtPosition;
        if (isThere && IsMine(options.Once))
        {
            if (options.How == "wait") SpinWait.SpinUntil(() => !File.Exists(options.Once), ProgramProcess.Patience);
            else Fail(options.How);
        }
        return new StepResult(nn.functional.cross_entropy(module.forward(batch.Input), batch.Target, reduction: nn.Reduction.Sum), context.Rows);
    }

    private static void Fail(string how)
    {
        Console.WriteLine($"process {Environment.ProcessId} fails");
        if (how == "fail-fast") Environment.FailFast("the crasher has had enough");
        if (how == "abort") Abort();
        // memory counts once it is written to
        for (var all = new List<byte[]>(); how == "allocate"; Array.Fill(all[^1], (byte)1)) all.Add(new byte[1 << 24]);
        throw new InvalidOperationException("the crasher has had enough");
    }

    [DllImport("libc", EntryPoint = "abort")]
    private static extern void Abort();

    private static bool IsSpared(string spares) => spares.Length > 0 && Environment.CommandLine.Contains(spares, StringComparison.Ordinal);

    private static bool IsMine(string once)
    {
        if (once.Length == 0) return true;
        try
        {
            using var made = new FileStream(once, FileMode.CreateNew);
            return true;
        }
        catch (IOException)
        {
            return false; // another one was first
        }
    }
}

/// <summary>Options of <see cref="Counted"/>.</summary>
public sealed record CountedOptions
{
    [Range(1, 1024)]
    public int Hidden { get; init; } = 16;

    /// <summary>A name for the trial: a study that searches it gives each trial another one.</summary>
    [Range(0, int.MaxValue)]
    public int Tag { get; init; }

    /// <summary>What begins the names of the files with the steps: FILE.PROCESS, so that no two processes write to one.</summary>
    [Required]
    public string File { get; init; } = "";
}

/// <summary>A step that was computed, whatever became of it.</summary>
/// <param name="Tag">Of the trial.</param>
/// <param name="Step">Counted from 0 on.</param>
public readonly record struct CountedStep(long Tag, long Step);

/// <summary>A model that counts how often its training step is computed, in whatever process and whatever becomes of it.</summary>
public sealed class Counted : nn.Module<Tensor, Tensor>
{
    private static readonly Lock s_lock = new();

    private readonly nn.Module<Tensor, Tensor> layers;
    private readonly string _file;
    private readonly int _tag;

    public Counted(CountedOptions options, int inputs, int classes) : base(nameof(Counted))
    {
        (_file, _tag) = ($"{options.File}.{Environment.ProcessId}", options.Tag);
        layers = nn.Sequential(nn.Linear(inputs, options.Hidden), nn.ReLU(), nn.Linear(options.Hidden, classes));
        RegisterComponents();
    }

    /// <summary>How many steps were computed so far, in all processes.</summary>
    public static long Count(string file) => Files(file).Sum(f => new FileInfo(f).Length) / Unsafe.SizeOf<CountedStep>();

    /// <summary>The steps that were computed, also those that were computed again; in no order.</summary>
    public static IReadOnlyList<CountedStep> Steps(string file) =>
        [.. Files(file).SelectMany(f => MemoryMarshal.Cast<byte, CountedStep>(System.IO.File.ReadAllBytes(f)).ToArray())];

    private static string[] Files(string file) => Directory.GetFiles(Path.GetDirectoryName(file)!, Path.GetFileName(file) + ".*");

    public override Tensor forward(Tensor input) => layers.forward(input.flatten(1));

    public static StepResult Step(Counted module, SupervisedBatch batch, StepContext context)
    {
        if (context is { Training: true, Rows: > 0 })
        {
            // trials that run side by side in one process write to one file
            lock (s_lock)
            {
                using var steps = new FileStream(module._file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 1);
                steps.Write(MemoryMarshal.AsBytes([new CountedStep(module._tag, context.Step)]));
            }
        }
        var output = module.forward(batch.Input);
        context.Log("correct", output.argmax(1).eq(batch.Target).sum(), context.Rows);
        return new StepResult(nn.functional.cross_entropy(output, batch.Target, reduction: nn.Reduction.Sum), context.Rows);
    }
}
