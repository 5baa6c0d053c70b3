using System.Buffers.Binary;
using System.Xml.Linq;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Training;
using DistOpt.Plots;

namespace DistOpt.Cli.Tests.Commands;

public sealed class PlotCommandTests : IDisposable
{
    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_run_becomes_a_png_in_its_folder_with_a_panel_for_all_that_was_measured()
    {
        string run = await TrainAsync("one");
        Assert.Equal(0, await _cli.RunAsync("plot", run));
        string file = Path.Combine(run, "plot.png");
        Assert.Equal($"written: {file}\n", _cli.Out);
        var (width, height) = PngSize(File.ReadAllBytes(file));
        Assert.True(width > 2000 && height > 1000, $"{width} x {height}");

        Assert.Equal(0, await _cli.RunAsync("plot", run, "--out", _cli.In("x.png"), "--format", "json"));
        Assert.Equal(["loss", "accuracy", "learning rate", "batch size (samples)"],
            _cli.Json().GetProperty("panels").EnumerateArray().Select(p => p.GetString()));
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_bad_input()
    {
        string run = await TrainAsync("one"), file = _cli.In("nowhere/x.svg");
        Assert.Equal(2, await _cli.RunAsync("plot", run, "--out", file));
        Assert.Equal($"error: --out: '{file}' is in a folder that is not there; make it first", Assert.Single(_cli.ErrorLines()));
    }

    [Fact]
    public async Task An_svg_says_what_its_axes_and_curves_are()
    {
        string run = await TrainAsync("one");
        Assert.Equal(0, await _cli.RunAsync("plot", run, "--format", "svg", "--epochs"));
        string[] texts = SvgTexts(Path.Combine(run, "plot.svg"));
        Assert.Superset(new HashSet<string>(["epoch", "loss", "accuracy", "learning rate", "batch size (samples)", "train", "validation", "selected (step 10)"]),
            new HashSet<string>(texts));
    }

    [Fact]
    public async Task Several_runs_are_overlaid_under_their_names_and_panels_can_be_chosen()
    {
        string[] runs = [await TrainAsync("one"), await TrainAsync("two")];
        string file = _cli.In("both.svg");
        Assert.Equal(0, await _cli.RunAsync(["plot", .. runs, "--out", file, "--panels", "loss, learning_rate", "--label", "SGD", "--label", "Adam"]));
        string[] texts = SvgTexts(file);
        Assert.Contains("SGD", texts);
        Assert.Contains("Adam", texts);
        Assert.Contains("loss (pale: training)", texts);
        Assert.DoesNotContain("accuracy", texts);
        Assert.Equal(0, await _cli.RunAsync(["plot", .. runs, "--out", file]));
        Assert.Contains("two", SvgTexts(file));
    }

    [Fact]
    public async Task Whatever_is_wrong_is_told_at_once_and_nothing_is_written()
    {
        string run = await TrainAsync("one");
        Assert.Equal(2, await _cli.RunAsync("plot", run, "nosuch", "--label", "a"));
        Assert.Equal(3, _cli.ErrorLines().Length);
        Assert.Contains("run 'nosuch' does not exist", _cli.Error);
        Assert.Contains("--label: is given 1 time for 2 runs", _cli.Error);
        Assert.Contains("--out: is needed for several runs", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("plot", run, "--panels", "accurcy"));
        Assert.Contains("Available: loss, accuracy, learning_rate, batch_size", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("plot", run, "--out", _cli.In("x.pdf")));
        Assert.Contains("does not end in .png or .svg", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("plot", run, "--out", _cli.In("x.svg"), "--format", "png"));
        Assert.Contains("but --format is png", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("plot", run, "--format", "pdf"));
        Assert.Equal("error: --format: 'pdf' is not known. Available: text, json, png, svg\n", _cli.Error);
        Assert.Equal(2, await _cli.RunAsync("train", "--format", "svg"));
        Assert.Empty(Directory.GetFiles(_cli.Folder, "*.*"));
        Assert.Empty(Directory.GetFiles(run, "plot.*"));
    }

    [Fact]
    public async Task A_run_without_rows_yet_cannot_be_drawn()
    {
        string run = await TrainAsync("one");
        File.WriteAllText(Path.Combine(run, "metrics.jsonl"), "");
        Assert.Equal(2, await _cli.RunAsync("plot", run));
        Assert.Contains("has no metrics yet", _cli.Error);
    }

    /// <summary>Epochs are told by the rows alone: whole at the end of each epoch, and parts of one in between, however many steps each has.</summary>
    [Fact]
    public void Steps_become_epochs_by_the_ends_of_epochs()
    {
        MetricRow Row(long step, int epoch, DataSplit split = DataSplit.Train) => new(step, epoch, split, [new("loss", 1)], 0.1, 8, null, 0);
        double[] At(double[] steps, params MetricRow[] rows) => [.. steps.Select(new RunCurves("a", rows, null).EpochsAt())];
        // left off 14 steps into the third
        Assert.Equal([0, 0.5, 1, 2, 2 + 14 / 43.0], At([0, 21.5, 43, 86, 100], Row(20, 0), Row(43, 0), Row(60, 1), Row(86, 1), Row(100, 2)));
        // a batch that grows
        Assert.Equal([1, 1.5, 2, 3, 3], At([86, 107.5, 129, 151, 151], Row(86, 0), Row(129, 1), Row(151, 2), Row(151, 2, DataSplit.Validation)));
        // a row every two epochs
        Assert.Equal([1, 2, 3, 4], At([10, 20, 30, 40], Row(20, 1), Row(40, 3)));
        Assert.Equal([1.0], At([20], Row(20, 0)));
    }

    [Fact]
    public void What_remains_for_an_epochs_last_batch_is_no_batch_size()
    {
        MetricRow Row(long step, int epoch, int batch) => new(step, epoch, DataSplit.Train, [new("loss", 1)], 0.1, batch, null, 0);
        Assert.Equal([32, 32, 64, 5], new RunCurves("a", [Row(10, 0, 32), Row(20, 0, 32), Row(23, 0, 5), Row(30, 1, 64), Row(31, 1, 6), Row(40, 2, 5)], null)
            .BatchSizes().Sizes);
    }

    [Fact]
    public void A_batch_whose_reason_is_told_is_drawn_with_its_noise_scale_and_gain()
    {
        MetricRow Row(long step, int batch, string reason) => new(step, 0, DataSplit.Train, [new("loss", 1)], 0.1, batch, null, 0)
        {
            BatchReason = reason,
            NoiseScale = 2.5 * batch,
            AdascaleGain = 1.5,
        };
        var run = new RunCurves("a", [Row(10, 64, "noise_scale"), Row(20, 32, "minimum"), Row(23, 5, "epoch_end")], null);

        Assert.Equal([64, 32], run.BatchSizes().Sizes);
        var figure = new RunFigure([run], byEpoch: false, logLoss: false);
        Assert.Equal(["loss", "learning_rate", "batch_size", "noise_scale", "adascale_gain"], figure.Names);
        Assert.Equal([160, 80, 12.5], figure.Panels(["noise_scale"])[0].Series.Single().Y);
    }

    [Theory]
    [InlineData(1e-3, 1e-1, "10⁻³ 10⁻² 10⁻¹")]
    [InlineData(0.15, 2.5, "2·10⁻¹ 5·10⁻¹ 1 2")]
    public void A_logarithmic_axis_is_labelled_at_powers_of_ten_and_between_them_where_it_is_short(double from, double to, string expected)
    {
        var ticks = AxisTicks.Decades(Math.Log10(from), Math.Log10(to)).Select(t => t.Label).OfType<string>();
        Assert.Equal(expected, string.Join(' ', ticks));
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(1500, "1,500")]
    [InlineData(0.025, "0.025")]
    [InlineData(0.00002, "2·10⁻⁵")]
    [InlineData(-2e6, "-2·10⁶")]
    [InlineData(1e-5, "10⁻⁵")]
    public void Labels_are_short(double value, string expected) => Assert.Equal(expected, AxisTicks.Label(value));

    /// <summary>What the pictures need is in the font that comes along, so that no font has to be installed.</summary>
    [Fact]
    public void The_font_comes_with_the_program()
    {
        var font = new PlotFont().CreateTypeface(PlotFont.Name, bold: false, italic: false)!;
        Assert.Equal(PlotFont.Name, font.FamilyName);
        Assert.True(font.ContainsGlyphs("learning rate 10⁻³·λ"));
    }

    /// <summary>Values without a place on the axis (NaN, zero on a logarithmic one) leave a picture.</summary>
    [Fact]
    public void Values_that_cannot_be_drawn_are_left_out()
    {
        PlotPanel[] panels =
        [
            new("step", "loss", [new("a", [1, 2, 3], [double.NaN, double.PositiveInfinity, 1]), new("b", [], [])]),
            new("step", "learning rate", [new("a", [1, 2, 3], [0.1, 0.001, 0])]) { IsLogY = true },
            new("step", "nothing", [new(null, [1], [double.NaN])]),
        ];
        PngSize(Figure.Draw(panels, PlotFormat.Png));
    }

    private async Task<string> TrainAsync(string name)
    {
        Assert.True(await _cli.RunAsync("train", "--out", Path.Combine(_cli.Runs, name)) == 0, _cli.Error);
        return Path.Combine(_cli.Runs, name);
    }

    private static (uint Width, uint Height) PngSize(byte[] png)
    {
        Assert.Equal([0x89, 0x50, 0x4E, 0x47], png[..4]);
        return (BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(16)), BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(20)));
    }

    private static string[] SvgTexts(string file) =>
        [.. XDocument.Load(file).Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value.Trim())];
}
