using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Randomness;

public sealed class RandomKeyTests
{
    [Fact]
    public void Names_that_differ_anywhere_have_different_streams()
    {
        var keys = new HashSet<RandomKey>();
        int made = 0;
        foreach (long seed in new[] { 0L, 1, -1, long.MaxValue })
        {
            foreach (var purpose in Enum.GetValues<RandomPurpose>())
            {
                Add(RandomKey.Of(seed, purpose));
                for (long a = 0; a < 8; a++)
                {
                    Add(RandomKey.Of(seed, purpose, a));
                    for (long b = 0; b < 8; b++)
                    {
                        Add(RandomKey.Of(seed, purpose, a, b));
                        for (long c = 0; c < 4; c++) Add(RandomKey.Of(seed, purpose, a, b, c << 40));
                    }
                }
            }
        }
        Assert.Equal(made, keys.Count);

        void Add(RandomKey key)
        {
            made++;
            keys.Add(key);
        }
    }

    [Fact]
    public void The_layout_is_the_documented_one()
    {
        var h = Philox4x32.Block(3 | 2UL << 32, 17, 42);
        h = Philox4x32.Block(h.High, 99, h.Low);
        Assert.Equal(new RandomKey(h.Low, h.High), RandomKey.Of(42, RandomPurpose.Dropout, 17, 99));
        var block = Philox4x32.Block(1, h.High, h.Low);
        var key = RandomKey.Of(42, RandomPurpose.Dropout, 17, 99);
        Assert.Equal([(uint)block.Low, (uint)(block.Low >> 32), (uint)block.High, (uint)(block.High >> 32)],
            new[] { key.Word(4), key.Word(5), key.Word(6), key.Word(7) });
    }

    [Fact]
    public void Any_slice_of_a_fill_is_that_slice_of_the_whole()
    {
        var key = RandomKey.Of(7, RandomPurpose.Dropout, 1, 2);
        var whole = new float[300];
        key.FillUniformScalar(whole, 0);
        Assert.Equal((key.Word(123) >> 8) / 16777216f, whole[123]);
        for (int begin = 0; begin < 40; begin++)
        {
            for (int length = 0; length < 80; length++)
            {
                var part = new float[length];
                key.FillUniform(part, begin);
                Assert.Equal(whole[begin..(begin + length)], part);
            }
        }
    }

    [Fact]
    public void A_fill_far_out_crosses_the_32_bit_block_number()
    {
        var key = RandomKey.Of(7, RandomPurpose.Dropout, 1, 2);
        long begin = (1L << 34) - 30;
        var vector = new float[61];
        var scalar = new float[61];
        key.FillUniform(vector, begin);
        key.FillUniformScalar(scalar, begin);
        Assert.Equal(scalar, vector);
        Assert.Equal((key.Word(begin + 45) >> 8) / 16777216f, vector[45]);
    }

    [Fact]
    public void Sequential_draws_and_fills_see_the_same_words()
    {
        var key = RandomKey.Of(7, RandomPurpose.InitialWeights, 5);
        var filled = new float[50];
        key.FillUniform(filled);
        var random = new CounterRandom(key);
        foreach (float value in filled) Assert.Equal(value, random.NextSingle());
        var later = new CounterRandom(key, 27);
        Assert.Equal(filled[27], later.NextSingle());
        Assert.Equal(filled[28], later.NextSingle());
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.25)]
    [InlineData(0.5)]
    [InlineData(1.0)]
    public void A_dropout_mask_drops_what_lies_below_the_probability_and_scales_the_rest(double probability)
    {
        var key = RandomKey.Of(3, RandomPurpose.Dropout, 10, 1);
        var uniform = new float[1003];
        var mask = new float[1003];
        key.FillUniform(uniform, 5);
        key.FillDropoutMask(mask, probability, 5);
        for (int i = 0; i < mask.Length; i++) Assert.Equal(uniform[i] < probability ? 0f : (float)(1 / (1 - probability)), mask[i]);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void A_dropout_probability_outside_0_to_1_is_refused(double probability) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => RandomKey.Of(1, RandomPurpose.Dropout).FillDropoutMask(new float[4], probability));

    [Fact]
    public void Normal_values_are_the_quantiles_of_the_uniform_ones_in_every_slice()
    {
        var key = RandomKey.Of(7, RandomPurpose.User, 1);
        float[] uniform = new float[100_003], normal = new float[100_003];
        key.FillUniform(uniform);
        key.FillGaussian(normal);
        for (int i = 0; i < normal.Length; i++)
            Assert.Equal(NormalQuantile.At(uniform[i] + Math.Pow(2, -25)), normal[i], 4e-7 * Math.Max(1, Math.Abs(normal[i])));
        for (int length = 1; length < 40; length++)
        {
            float[] slice = new float[length];
            key.FillGaussian(slice, 1000 + length);
            Assert.Equal(normal[(1000 + length)..(1000 + 2 * length)], slice);
        }
    }
}
