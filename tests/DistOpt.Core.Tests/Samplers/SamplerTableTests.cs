namespace DistOpt.Core.Tests.Samplers;

/// <summary>What is said of samplers by their values over the seeds, and how it is put into a table.</summary>
public sealed class SamplerTableTests
{
    private static readonly double[] s_values = [.. Enumerable.Range(0, SamplerFigures.Seeds).Select(i => i * 0.5)];

    [Fact]
    public void A_sampler_is_better_or_worse_only_where_the_signed_ranks_say_so()
    {
        double[] less = [.. s_values.Select((v, i) => v - 0.1 - i * 0.001)];
        double[] mixed = [.. s_values.Select((v, i) => i % 2 == 0 ? v - 0.1 : v + 0.1)];
        Assert.Equal(Verdict.Better, SamplerFigures.Compare(less, s_values));
        Assert.Equal(Verdict.Worse, SamplerFigures.Compare(s_values, less));
        Assert.Equal(Verdict.Same, SamplerFigures.Compare(mixed, s_values));
        Assert.Equal(Verdict.Same, SamplerFigures.Compare(s_values, s_values));
    }

    [Fact]
    public void A_table_has_median_regrets_marks_and_counts()
    {
        TestFunction[] functions = [TestFunctions.Ackley, TestFunctions.Levy];
        string table = SamplerTable.Format((f, s) => s switch
        {
            "few" when f == TestFunctions.Levy => null,
            "few" => [.. s_values.Select(v => v / 4)],
            "many" => [.. s_values.Select(v => v * 2)],
            _ => s_values,
        }, functions, ["random", "few", "many"], "random", "many");
        string[] expected =
        [
            "| function       | random    | few       | many      |",
            "| -------------- | --------- | --------- | --------- |",
            "| Ackley-5       | 4.75      | 1.19 +    | 9.5 -     |",
            "| Levy-5         | 4.75      |           | 9.5 -     |",
            "| against random |           | 1 / 0 / 0 | 0 / 0 / 2 |",
            "| against many   | 2 / 0 / 0 | 1 / 0 / 0 |           |",
        ];
        Assert.Equal(expected, table.TrimEnd().Split(Environment.NewLine));
    }

    [Fact]
    public void Figures_that_are_in_a_file_are_not_missing()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "figures");
        var file = new SamplerFigureFile(path);
        Assert.Equal(SamplerFigures.Seeds, file.Missing("f", "s", [1, 2]).Length);
        for (int seed = 1; seed < SamplerFigures.Seeds; seed++) file.Add("f", "s", seed, [1, 2], [0.1 + seed, seed]);
        Assert.Null(file.Get("f", "s", 1));
        var again = new SamplerFigureFile(path);
        Assert.Equal([SamplerFigures.Seeds], again.Missing("f", "s", [1, 2]));
        again.Add("f", "s", SamplerFigures.Seeds, [1], [7]);
        Assert.Empty(again.Missing("f", "s", [1]));
        Assert.Equal([SamplerFigures.Seeds], again.Missing("f", "s", [1, 2]));
        Assert.Equal([.. Enumerable.Range(1, SamplerFigures.Seeds - 1).Select(s => 0.1 + s), 7.0], new SamplerFigureFile(path).Get("f", "s", 1)!);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }
}
